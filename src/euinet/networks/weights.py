"""Weights from files, for any network: what is in a file, and whether it is the network's."""

import pickle
import pickletools
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from euinet.errors import StorageError, UsageError

# Where trainers put the state dict among other things, first choice first: a moving average of the weights
# (EMA) is what was meant for use.
NESTINGS = (
    *("model_ema", "state_dict_ema", "state_dict", "model_state_dict", "model", "network", "net", "module"),
    *("teacher", "student", "params"),
)


@dataclass(frozen=True)
class Asked:
    """Who asked for weights, for errors: whose they must be, and which options name network and file."""

    network: str  # "torchvision's resnet18"
    network_option: str = "model.backbone"
    file_option: str = "training.backbone_weights"


def read_weights(path: Path, asked: Asked) -> dict[str, Tensor]:
    """Return the state dict in a file, on the CPU: of its own, or one level down in one of `NESTINGS`.

    `path`: a .safetensors file, or under any other ending one that torch.save wrote. Nothing in it is
    executed. Raises UsageError where there is no file or no state dict in it, StorageError where it cannot
    be read.
    """
    if not path.is_file():
        raise UsageError(
            f"There is no file {path} to start from: {asked.file_option} must name a .pth or .safetensors "
            f"file with the state dict of {asked.network}."
        )
    try:
        found = _content(path)
    except Exception as error:  # safetensors, torch, pickle and zip each have their own kinds
        # what torch says of a file it will not unpickle is advice to run it all the same
        said = "" if isinstance(error, pickle.UnpicklingError) else f": {error}"
        what = " ".join(f"{type(error).__name__}{said}".split())[:200]
        remedy = (
            "it holds a whole model or other Python objects, none of which is run; save its weights alone, "
            "by torch.save(model.state_dict(), FILE)."
            if _holds_objects(path, error)
            else "copy the file anew, a .safetensors file under that ending and one that torch.save wrote "
            "under another."
        )
        raise StorageError(f"The weights {path} cannot be read ({what}): {remedy}") from error
    state = _unnested(found)
    if state is None:
        raise UsageError(
            f"The file {path} holds more or something else than a state dict: save that of {asked.network} "
            f"alone, names and tensors, or under one of the names {', '.join(NESTINGS)}."
        )
    return state


def fit_weights(
    module: nn.Module, given: Mapping[str, Tensor], path: Path, asked: Asked, heads: Sequence[str] = ()
) -> None:
    """Load a file's weights into a network. What is left out and what is raised: `fitting`.

    A network that does not fit is left as it was.
    """
    module.load_state_dict(fitting(given, module.state_dict(), path, asked, heads), strict=False)


def fitting(
    given: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    path: Path,
    asked: Asked,
    heads: Sequence[str] = (),
) -> dict[str, Tensor]:
    """Return what `given` holds for the entries `wanted`, under their names.

    In the file all names may have a prefix, such as "module." or "backbone."; what lies beside it is another
    network's, and left out. So are the classifier's entries, which begin with one of `heads`. Raises
    UsageError with the first name that is missing, too much or of another shape, StorageError where a weight
    is no finite number.
    """
    prefix = _prefix(given, wanted)
    ours = {key.removeprefix(prefix): value for key, value in given.items() if key.startswith(prefix)}
    beginnings = tuple(f"{head}." for head in heads)
    ours = {key: value for key, value in ours.items() if key in wanted or not key.startswith(beginnings)}
    if wrong := _difference(ours, wanted):
        raise UsageError(
            f"The file {path} does not hold {asked.network}: it {wrong}; set {asked.network_option} to the "
            "network that the weights are of, or give a file with its state dict."
        )
    for key, value in ours.items():
        if not value.isfinite().all():
            raise StorageError(
                f"The weights {path} are damaged, {prefix}{key} is not finite: copy the file anew."
            )
    return ours


def _prefix(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    """Return what stands before the wanted names in a file: what most of them have, "" in doubt."""
    names = list(wanted)
    tried = {""}
    for name in {names[0], names[len(names) // 2], names[-1]} if names else ():
        tried |= {key.removesuffix(name) for key in given if key.endswith(f".{name}")}
    return max(sorted(tried), key=lambda prefix: sum(prefix + name in given for name in names))


def _difference(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    """Return what a state dict lacks of these entries, has besides or in another shape; "" if nothing."""
    # Files from before torch 0.4.1 lack BatchNorm's counters, which nothing here reads.
    missing = [key for key in wanted if key not in given and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in given if key not in wanted]
    misshapen = [key for key in given if key in wanted and given[key].shape != wanted[key].shape]
    for keys, what in ((missing, "lacks"), (unexpected, "also holds"), (misshapen, "has another shape for")):
        if keys:
            return f"{what} {keys[0]}" + (f" and {len(keys) - 1} more" if len(keys) > 1 else "")
    return ""


def _unnested(found: Any) -> dict[str, Tensor] | None:
    """Return the names and tensors in what a file holds, one level down if need be; None: there are none."""
    if not isinstance(found, Mapping) or not found:
        return None
    if all(isinstance(value, Tensor) for value in found.values()):
        return {str(key): value for key, value in found.items()}
    inner = next((found[name] for name in NESTINGS if isinstance(found.get(name), Mapping)), None)
    return None if inner is None else _unnested(inner)


def _holds_objects(path: Path, error: Exception) -> bool:
    """Return whether a file that torch did not read is whole: then it holds more than torch may unpickle."""
    if not isinstance(error, pickle.UnpicklingError) and "TorchScript" not in str(error):
        return False
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    with path.open("rb") as file, suppress(ValueError):
        return any(operation.name == "STOP" for operation, _, _ in pickletools.genops(file))
    return False


def _content(path: Path) -> Any:
    if path.suffix.lower() == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a pickle's protocol, before it is refused
        return torch.load(path, map_location="cpu", weights_only=True)
