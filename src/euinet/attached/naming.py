"""The classes of a classifier as a command line names them."""

from pathlib import Path

from euinet.errors import UsageError
from euinet.system.files import expanded, is_file


def named_classes(text: str) -> tuple[str, ...] | None:
    """Return classes separated by commas, or of a text file with one a line; None where none are named.

    Raises UsageError for a file that cannot be read.
    """
    if not text.strip():
        return None
    path: Path = expanded(text)
    if not is_file(path):
        return tuple(name.strip() for name in text.split(","))
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise UsageError(f"The classes in {path} cannot be read ({error}): give a text file.") from error
    return tuple(line.strip() for line in lines if line.strip())
