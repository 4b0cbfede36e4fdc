"""Models that come with the package, by name."""

from pathlib import Path

from euinet.model.names import CONFIG_FILE

MODELS_FOLDER = Path(__file__).parent / "bundled_models"


def pretrained_names() -> tuple[str, ...]:
    """Return the names of the bundled models, in alphabetical order."""
    return tuple(sorted(path.parent.name for path in MODELS_FOLDER.glob(f"*/{CONFIG_FILE}")))


def bundled_folder(name: str) -> Path:
    """Return the folder of the bundled model `name`."""
    return MODELS_FOLDER / name
