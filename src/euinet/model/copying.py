"""A model's network copied from folder to folder without torch, with what its card says by now."""

import json
from pathlib import Path
from typing import Any

from euinet.errors import StorageError
from euinet.model.check import check_numbers, parse_json
from euinet.model.known import KNOWN_FILE
from euinet.model.names import CONFIG_FILE, WEIGHTS_FILE
from euinet.system.files import write_bytes, write_text
from euinet.system.words import quoted


def copy_network(folder: Path, to: Path, metrics: dict[str, Any]) -> None:
    """Write the weights and the card in `folder` to `to`, which may be the same, the card with these metrics.

    Raises StorageError for what cannot be read or written, and for weights that are no numbers.
    """
    from safetensors.numpy import load

    try:
        config = parse_json((folder / CONFIG_FILE).read_text(encoding="utf-8")) | {"metrics": metrics}
        weights = (folder / WEIGHTS_FILE).read_bytes()
        check_numbers(load(weights))
        known = (folder / KNOWN_FILE).read_bytes() if (folder / KNOWN_FILE).is_file() else None
    except Exception as error:  # json, safetensors and the file system each have their own kinds
        what = quoted(error)
        raise StorageError(
            f"The model in {folder} is damaged ({what}); copy it anew or train again."
        ) from error
    if to.resolve() != folder.resolve():
        write_bytes(to / WEIGHTS_FILE, weights)
        if known is not None:  # a copy can be extended as well
            write_bytes(to / KNOWN_FILE, known)
    write_text(to / CONFIG_FILE, json.dumps(config, indent=2, allow_nan=False) + "\n")
