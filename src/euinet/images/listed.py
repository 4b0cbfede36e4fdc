"""A list of paths on standard input, as people, programs and other systems write it."""

import os

from euinet.system.files import expanded

_NO_TEXT = frozenset({*range(32), 127} - set(b"\t\n\r"))  # bytes of images, but of no list of paths


def listed_paths(content: bytes) -> list[str] | None:
    """Return the paths of a list, one a line, as the file system has them; None where it is no list.

    A line is a path as it stands, if there is such a file; else without what editors and other systems put
    around it: CR, a byte order mark, spaces and tabs.
    """
    lines = [_as_path(os.fsdecode(line)) for line in content.split(b"\n")]
    plain_image = content[:2] in (b"P1", b"P2", b"P3") and content[2:3].isspace()  # of decimals: PPM
    if not any(there for _, there in lines) and (plain_image or set(content) & _NO_TEXT):
        return None
    return [path for path, _ in lines if path]


def _as_path(line: str) -> tuple[str, bool]:
    """Return the path that a line of a list means, and whether it is there."""
    unmarked = line.removeprefix("\ufeff")
    for path in (line, line.removesuffix("\r"), unmarked.removesuffix("\r"), unmarked.strip(" \t\r")):
        if path and (os.path.lexists(path) or os.path.lexists(expanded(path))):
            return path, True
    return path, False
