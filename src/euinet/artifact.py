"""A trained model as a folder: `config.json` and `model.safetensors`. Nothing in it is executed.

A network whose weights were rounded (`round_weights`) takes half the space and loses nothing by it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from euinet.errors import StorageError, TrainingError, UsageError
from euinet.files import write_atomically, write_text
from euinet.models.euinet import EuiNet
from euinet.presets import Preset, validate_preset
from euinet.scoring.threshold import LogitRange

FORMAT_VERSION = 1
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"


@dataclass(frozen=True)
class ModelCard:
    """All about a model except its weights; the contents of config.json."""

    data: str
    class_names: tuple[str, ...]  # of the K known classes, in label order
    known_classes: tuple[int, ...]
    unknown_classes: tuple[int, ...]
    channels: int
    image_size: int
    seed: int
    logit_range: LogitRange  # brings the class logits to where α and γ lie
    preset: Preset
    metrics: dict[str, Any]
    command: str | None = None  # that made the model


@dataclass(frozen=True)
class Model:
    """An EuiNet in eval mode and its card."""

    network: nn.Module
    card: ModelCard


@torch.no_grad()
def round_weights(network: nn.Module) -> None:
    """Round the weights of layers to what float16 can hold, in place; they stay float32.

    Weights are the parameters of two dimensions and more; biases and BatchNorm are few and stay as they are.
    To be called before calibration, so that what is calibrated, measured and saved is the same network.
    Raises TrainingError, and leaves the network as it was, when a weight is too large or not a number.
    """
    weights = {name: weight for name, weight in network.named_parameters() if weight.ndim >= 2}
    rounded = {name: weight.half().to(weight.dtype) for name, weight in weights.items()}
    for name, weight in rounded.items():
        if not weight.isfinite().all():
            largest = weights[name].abs().max().item()
            raise TrainingError(
                f"The weights {name} reach {largest:.3g}, but only numbers up to 65,504 can be rounded to "
                "float16: training diverged; lower the learning rate, or do not round."
            )
    for name, weight in weights.items():
        weight.copy_(rounded[name])


def save_model(model: Model, folder: Path) -> None:
    """Write `model` to `folder`, weights first, each file whole or not at all. Raises StorageError."""
    from safetensors.torch import save

    weights = {name: _stored(tensor) for name, tensor in model.network.state_dict().items()}
    with write_atomically(folder / WEIGHTS_FILE) as temporary:
        temporary.write_bytes(save(weights))
    config = asdict(model.card) | {
        "format_version": FORMAT_VERSION,
        "preset": model.card.preset.model_dump(mode="json"),
    }
    write_text(folder / CONFIG_FILE, json.dumps(config, indent=2) + "\n")


def load_model(folder: Path, device: torch.device | str = "cpu") -> Model:
    """Read a model that `save_model` wrote. Raises UsageError if there is none, StorageError if damaged."""
    from safetensors.torch import load_file

    config_path, weights_path = folder / CONFIG_FILE, folder / WEIGHTS_FILE
    if not (config_path.is_file() and weights_path.is_file()):
        raise UsageError(
            f"There is no model in {folder}: it must hold {CONFIG_FILE} and {WEIGHTS_FILE}, as "
            "`euinet train` and `euinet reproduce` write them (in the folder model of their --out)."
        )
    try:
        card = _card(json.loads(config_path.read_text(encoding="utf-8")))
        network = EuiNet(card.preset.model, card.channels, card.image_size, len(card.class_names))
        weights = load_file(weights_path)
        network.load_state_dict({name: _as_float32(tensor) for name, tensor in weights.items()})
    except StorageError:
        raise
    except Exception as error:  # json, safetensors, torch and pydantic each have their own kinds
        what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise StorageError(
            f"The model in {folder} is damaged or no EuiNet model ({what}); copy it anew or train again."
        ) from error
    return Model(network.to(device).eval(), card)


def _stored(tensor: Tensor) -> Tensor:
    """Return a tensor as it is written: in half the space where that loses nothing."""
    tensor = tensor.detach().cpu().contiguous()
    half = tensor.half()
    return half if tensor.ndim >= 2 and torch.equal(half.to(tensor.dtype), tensor) else tensor


def _as_float32(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype == torch.float16 else tensor


def _card(config: dict[str, Any]) -> ModelCard:
    version = config.pop("format_version")
    if version != FORMAT_VERSION:
        raise StorageError(
            f"The model has format {version}, this version of euinet reads {FORMAT_VERSION}; "
            "use the version of euinet that wrote it."
        )
    config["preset"] = validate_preset(config["preset"])
    gain, shift = (tuple(float(n) for n in config["logit_range"][key]) for key in ("gain", "shift"))
    if len(gain) != len(config["class_names"]):
        raise ValueError(f"logit_range has {len(gain)} gains for {len(config['class_names'])} classes")
    distance_gain, disc_offset = (
        float(config["logit_range"].get(key, 0.0)) for key in ("distance_gain", "disc_offset")
    )
    config["logit_range"] = LogitRange(gain, shift, distance_gain, disc_offset)
    for key in ("class_names", "known_classes", "unknown_classes"):
        config[key] = tuple(config[key])
    return ModelCard(**config)
