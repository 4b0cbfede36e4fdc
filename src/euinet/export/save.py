"""A trained model in a folder: the network to learn on, and the decision file that answers from it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from euinet.export.check import check_whole
from euinet.export.onnx_file import decision_file
from euinet.model.backbone_part import with_backbone
from euinet.model.card import ModelCard
from euinet.model.model import Model
from euinet.model.names import DECISION_FILE
from euinet.model.seen import SEEN_FILE
from euinet.system.files import remove_file, write_bytes
from euinet.trained.model import TrainedModel, save_network, weights_of


def save_model(model: TrainedModel, folder: Path) -> Model:
    """Write `model` to `folder`, each file whole or not at all, and return it as everybody uses it.

    The old decision file goes first, the new one comes last: where one stands, the others are its network's.
    Raises StorageError, and ExportError when the network cannot be exported.
    """
    content = whole_file(model)
    remove_file(folder / DECISION_FILE)
    save_network(model, folder)
    write_bytes(folder / DECISION_FILE, content)
    return Model(content, str(folder), folder=folder, seen_file=folder / SEEN_FILE)


def runtime_model(model: TrainedModel, name: str) -> Model:
    """Return a trained model as everybody uses it, without writing it anywhere. Raises ExportError."""
    return Model(whole_file(model), name, trained=model)


def whole_file(model: TrainedModel) -> bytes:
    """Return the decision file of a model, its backbone in it where it has one. Raises ExportError."""
    digest = network_digest(model.card, weights_of(model))
    if model.backbone_graph is None:
        return decision_file(model, digest)
    decision = decision_file(replace(model, card=model.card.of_embeddings(), backbone_graph=None), digest)
    content = with_backbone(decision, model.backbone_graph, model.card)
    check_whole(content, decision)
    return content


def network_digest(card: ModelCard, weights: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of all that makes a model's scores: weights and settings, not its calibration."""
    plain: dict[str, Any] = card.to_plain()
    settings = {key: plain[key] for key in ("class_names", "channels", "image_size", "logit_range")}
    settings |= {"model": plain["preset"]["model"], "scoring": plain["preset"]["scoring"]}
    if card.width:
        settings |= {key: plain[key] for key in ("width", "backbone", "preprocessing")}
    else:  # the digests of models from before embeddings stay
        del settings["model"]["logits_given"]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name in sorted(weights):
        tensor = np.ascontiguousarray(weights[name])
        digest.update(f"{name} {tensor.dtype} {tensor.shape}\n".encode())
        digest.update(tensor.data)
    return digest.hexdigest()
