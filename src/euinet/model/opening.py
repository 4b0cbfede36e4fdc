"""From what a user names (a folder, a bundled model's name, an exported file) to a model."""

from pathlib import Path

from euinet.errors import StorageError, UsageError
from euinet.model.bundled import bundled_folder, pretrained_names
from euinet.model.model import Model
from euinet.model.names import CONFIG_FILE, DECISION_FILE, ONNX_SUFFIX
from euinet.model.seen import SEEN_FILE
from euinet.system.close import did_you_mean
from euinet.system.files import expanded, is_file


def find_model(name_or_path: str | Path) -> Path:
    """Return where the model lies that was asked for: a folder, or an exported file.

    A folder that holds a model wins over a bundled model of the same name; one that holds something else does
    not. Raises UsageError when there is neither.
    """
    path = expanded(name_or_path)
    if is_file(path / DECISION_FILE) or is_file(path / CONFIG_FILE):
        return path
    if path.suffix.lower() == ONNX_SUFFIX:
        if not is_file(path):
            raise UsageError(f"There is no file {name_or_path}: give one that `euinet export` wrote.")
        return path
    name, names = str(name_or_path), pretrained_names()
    if name in names:
        return bundled_folder(name)
    bundled = f", or one of {', '.join(names)}, which come with euinet" if names else ""
    raise UsageError(
        f"There is no model in {name}, and none of that name comes with euinet.{did_you_mean(name, names)} "
        f"Give a folder with {DECISION_FILE}, as `euinet train` and `euinet reproduce` write it (in the "
        f"folder model of their --out), an exported {ONNX_SUFFIX} file{bundled}."
    )


def load(name_or_path: str | Path, device: str = "cpu", threads: int | None = None) -> Model:
    """Return the model that was asked for: a folder, a name of `euinet models`, or an exported file.

    `device`: auto and cpu compute by onnxruntime, cuda and mps by torch, which needs the model's folder.
    `threads` of onnxruntime; None: all cores. Raises UsageError when there is no such model or device,
    StorageError when its files are damaged.
    """
    path, name = find_model(name_or_path), str(name_or_path)
    folder = path if path.is_dir() else None
    file = path if folder is None else path / DECISION_FILE
    try:
        content = file.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(
            f"The model in {path} has no {DECISION_FILE}, which answers from it: train it again, or copy the "
            "whole folder."
        ) from error
    except OSError as error:
        raise StorageError(f"Cannot read {file} ({error.strerror or error}).") from error
    has_network = folder is not None and (folder / CONFIG_FILE).is_file()
    model = Model(
        content,
        name,
        folder=folder if has_network else None,
        seen_file=None if folder is None else folder / SEEN_FILE,
        threads=threads,
    )
    return model.on(device)
