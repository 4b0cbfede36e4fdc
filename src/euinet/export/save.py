"""A trained model in a folder: the network to learn on, and the decision file that answers from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from euinet.export.onnx_file import decision_file
from euinet.model.card import ModelCard
from euinet.model.model import Model
from euinet.model.names import CONFIG_FILE, DECISION_FILE, WEIGHTS_FILE
from euinet.networks.half import stored
from euinet.system.files import remove_file, write_atomically, write_text
from euinet.trained.model import FORMAT_VERSION, TrainedModel

Weights = dict[str, np.ndarray]


def save_model(model: TrainedModel, folder: Path) -> Model:
    """Write `model` to `folder`, each file whole or not at all, and return it as everybody uses it.

    The decision file goes first and comes last: where it stands, the others are its network's. Raises
    StorageError, and ExportError when the network cannot be exported.
    """
    content = decision_file(model, network_digest(model.card, _weights(model)))
    remove_file(folder / DECISION_FILE)
    save_network(model, folder)
    with write_atomically(folder / DECISION_FILE) as temporary:
        temporary.write_bytes(content)
    return Model(content, str(folder), folder=folder)


def save_network(model: TrainedModel, folder: Path) -> None:
    """Write the network and its card alone, as `load_trained` reads them. Raises StorageError."""
    from safetensors.numpy import save

    config = {"format_version": FORMAT_VERSION, **model.card.to_plain()}
    with write_atomically(folder / WEIGHTS_FILE) as temporary:
        temporary.write_bytes(save(_weights(model)))
    write_text(folder / CONFIG_FILE, json.dumps(config, indent=2, allow_nan=False) + "\n")


def runtime_model(model: TrainedModel, name: str) -> Model:
    """Return a trained model as everybody uses it, without writing it anywhere. Raises ExportError."""
    return Model(decision_file(model, network_digest(model.card, _weights(model))), name)


def network_digest(card: ModelCard, weights: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of all that makes a model's scores: weights and settings, not its calibration."""
    plain: dict[str, Any] = card.to_plain()
    settings = {key: plain[key] for key in ("class_names", "channels", "image_size", "logit_range")}
    settings |= {"model": plain["preset"]["model"], "scoring": plain["preset"]["scoring"]}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name in sorted(weights):
        tensor = np.ascontiguousarray(weights[name])
        digest.update(f"{name} {tensor.dtype} {tensor.shape}\n".encode())
        digest.update(tensor.data)
    return digest.hexdigest()


def _weights(model: TrainedModel) -> Weights:
    return {name: stored(tensor).numpy() for name, tensor in model.network.state_dict().items()}
