"""What was judged: the model, its calibration, the data. Names and values for a table."""

import json
from importlib.metadata import version
from typing import NamedTuple

from euinet.card.gather import KNOWN_FACTOR, Gathered
from euinet.card.groups import Group
from euinet.card.measured import Measured
from euinet.model.card import ModelCard
from euinet.report.wording import listing
from euinet.trained.model import TrainedModel

PACKAGES = ("euinet", "torch", "torchvision", "pytorch-ood", "scipy", "numpy", "pillow")
MOST_CLASSES = 30


class Facts(NamedTuple):
    """One table of facts."""

    title: str
    rows: tuple[tuple[str, str], ...]


def all_facts(
    model: TrainedModel, gathered: Gathered, measured: Measured, limit: int, seed: int
) -> tuple[Facts, ...]:
    """Return the tables on the model, its calibration and the data."""
    return (
        Facts("The model", _model(model)),
        Facts("Its calibration", _calibration(model, measured)),
        Facts("The images of this card", _data(model, gathered, limit, seed)),
        Facts("Versions", _versions(model)),
    )


def _model(model: TrainedModel) -> tuple[tuple[str, str], ...]:
    card = model.card
    state = model.network.state_dict().values()
    megabytes = sum(tensor.numel() * tensor.element_size() for tensor in state) / 1e6
    parameters = sum(parameter.numel() for parameter in model.network.parameters())
    return (
        ("classes", f"{len(card.class_names):,}: {listing(card.class_names, MOST_CLASSES)}"),
        ("trained on", card.data),
        ("network", _network(card)),
        ("parameters", f"{parameters:,}"),
        ("size in memory", f"{megabytes:.1f} MB"),
        ("preset", card.preset.name),
        ("seed", str(card.seed)),
        ("command", card.command or "not recorded"),
        ("an image is read as", _read_as(card)),
        ("scoring", json.dumps(card.preset.scoring.model_dump(mode="json"))[1:-1].replace('"', "")),
    )


def _network(card: ModelCard) -> str:
    if card.backbone is not None:
        return f"{card.backbone.name}, frozen, with heads of euinet's"
    return card.preset.model.backbone or ("heads on embeddings" if card.width else "euinet's own ResNet")


def _read_as(card: ModelCard) -> str:
    if not card.reads_images:
        return f"an embedding of {card.width:,} numbers, by a network that is not part of the model"
    plain = card.preprocessing.to_plain()
    return "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in plain.items())


def _calibration(model: TrainedModel, measured: Measured) -> tuple[tuple[str, str], ...]:
    calibration = model.calibration
    if calibration is None or measured.check is None:
        return (("calibration scores", "none: no promise, no p-values"),)
    thresholds = calibration.thresholds(len(model.card.class_names))
    spread = f"{thresholds.min():.4g} to {thresholds.max():.4g}" if calibration.per_class else ""
    return (
        ("alpha", "none is set" if calibration.alpha is None else f"{calibration.alpha:g}"),
        ("calibration images", f"{len(calibration):,}"),
        *_expected(model.card, calibration.alpha),
        ("least alpha they allow", f"{measured.curve.least:g}"),
        ("thresholds", f"one a class, {spread}" if spread else f"one for all, {thresholds[0]:.4g}"),
    )


def _expected(card: ModelCard, alpha: float | None) -> tuple[tuple[str, str], ...]:
    """What the model should catch, class by class; nothing where there is no estimate."""
    found = card.expects(alpha)
    if found is None:
        return ()
    shares = sorted(found["by_class"].items(), key=lambda pair: (pair[1], pair[0]))
    each = [f"{name} {100 * share:.0f} %" for name, share in shares]
    return (("expected catch", found["sentence"]), ("of each class left out", listing(each, MOST_CLASSES)))


def _data(model: TrainedModel, gathered: Gathered, limit: int, seed: int) -> tuple[tuple[str, str], ...]:
    return (
        ("data set", gathered.dataset),
        ("same as it was trained on", _same_data(model, gathered)),
        ("near copies of what was learned", _near_copies(model.card.metrics.get("near_copies"))),
        ("known images", _counted(gathered.known)),
        *((f"unknown images, {group.kind}: {group.name}", _counted(group)) for group in gathered.unknown),
        ("how many", f"at most {limit:,} of a kind and for each change, {KNOWN_FACTOR * limit:,} known ones"),
        ("how chosen", f"by lot within each class, in the classes' own shares, seed {seed}"),
    )


def _same_data(model: TrainedModel, gathered: Gathered) -> str:
    recorded = model.card.data_fingerprint
    if recorded is None:
        return f"not recorded; its name was {model.card.data}"
    if recorded == gathered.fingerprint:
        return "yes, byte for byte, so that these test images were not trained on"
    if model.seen is None:
        return "no: images or classes differ, and whether some were trained on is not known"
    return "no: images or classes differ; none of these images was trained on, by their pixels"


def _near_copies(found: object) -> str:
    if not isinstance(found, dict):
        return "not looked for when it was trained"
    counts = ", ".join(f"{found.get(kind)} {kind}" for kind in ("calibration", "test", "unknown"))
    return f"{counts} images, when it was trained"


def _counted(group: Group) -> str:
    counted = f"{len(group):,} of {group.available:,}" if len(group) < group.available else f"{len(group):,}"
    return f"{counted}; {group.remark}" if group.remark else counted


def _versions(model: TrainedModel) -> tuple[tuple[str, str], ...]:
    trained = model.card.metrics.get("versions")
    trained = trained if isinstance(trained, dict) else {}
    return (
        ("judged with", ", ".join(f"{package} {version(package)}" for package in PACKAGES)),
        ("trained with", ", ".join(f"{name} {value}" for name, value in trained.items()) or "not recorded"),
    )
