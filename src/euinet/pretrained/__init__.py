"""Models that come with the package, by name; and how any command finds the model that it is given."""

from __future__ import annotations

import difflib
from pathlib import Path

from euinet.errors import UsageError
from euinet.model.names import CONFIG_FILE, WEIGHTS_FILE

MODELS_FOLDER = Path(__file__).parent / "models"


def pretrained_names() -> tuple[str, ...]:
    """Return the names of the bundled models, in alphabetical order."""
    return tuple(sorted(path.parent.name for path in MODELS_FOLDER.glob(f"*/{CONFIG_FILE}")))


def bundled_folder(name: str) -> Path:
    """Return the folder of the bundled model `name`."""
    return MODELS_FOLDER / name


def resolve_model(name_or_folder: str | Path) -> Path:
    """Return the folder of the model that was asked for: a folder of the user's, or a bundled model's name.

    A folder that holds a model wins over a bundled model of the same name; one that holds something else
    does not. Raises UsageError when there is neither.
    """
    folder = Path(name_or_folder).expanduser()
    if (folder / CONFIG_FILE).is_file() or (folder / WEIGHTS_FILE).is_file():
        return folder
    name, names = str(name_or_folder), pretrained_names()
    if name in names:
        return bundled_folder(name)
    close = difflib.get_close_matches(name.lower(), names, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    bundled = f", or one of {', '.join(names)}, which come with euinet" if names else ""
    raise UsageError(
        f"There is no model in {name}, and none of that name comes with euinet.{hint} Give a folder with "
        f"{CONFIG_FILE} and {WEIGHTS_FILE}, as `euinet train` and `euinet reproduce` write them (in the "
        f"folder model of their --out){bundled}."
    )
