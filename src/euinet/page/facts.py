"""What the page, served or not, says of a model: `GET /v1/model`, and model.json of a static page."""

from typing import Any

from euinet.model.card import ModelCard
from euinet.model.model import Model
from euinet.system.version import VERSION


def model_facts(
    model: Model, name: str, *, record: bool = False, inbox: bool = False, neighbours: bool = False
) -> dict[str, Any]:
    """Return plain values for JSON about `model`, called `name`, and which features there are of it.

    `threshold` is of `ood_score`; one a class, in the order of `class_names`, where `per_class`. `settings`
    are those of temperature, perturbation and eq. 4: α is `disc_scale`, γ `disc_shift`. `preprocessing` is
    how an image file becomes pixels (images/square.py); None where the model reads no images. `expected`: the
    share caught, by α, of unknowns as near as the classes are to each other; None where it is not estimated.
    """
    card, calibration = model.card, model.calibration
    thresholds = [0.0] if calibration is None else calibration.thresholds(len(card.class_names)).tolist()
    per_class = calibration is not None and calibration.per_class
    return {
        "name": name,
        "data": card.data,
        "class_names": list(card.class_names),
        "held_out": held_out_names(card),
        "channels": card.channels,
        "image_size": card.image_size,
        "width": 0 if card.reads_images else card.width,
        "preprocessing": _preprocessing(card),
        "alpha": None if calibration is None else calibration.alpha,
        "per_class": per_class,
        "calibration_images": 0 if calibration is None else len(calibration),
        "expected": _expected(card),
        "threshold": thresholds if per_class else thresholds[0],
        "settings": card.preset.scoring.model_dump(mode="json"),
        "preset": card.preset.name,
        "metrics": card.metrics,
        "euinet_version": VERSION,
        "features": {"record": record, "inbox": inbox, "neighbours": neighbours},
    }


def _expected(card: ModelCard) -> dict[str, Any] | None:
    """Return what should be caught of near unknowns, by α; None where it was not estimated."""
    found = card.expected
    if found is None:
        return None
    caught = [round(found.caught_at(alpha), 4) for alpha in found.alphas]
    return {"alphas": list(found.alphas), "caught": caught, "classes": len(found.classes)}


def _preprocessing(card: ModelCard) -> dict[str, Any] | None:
    """Return what lib/resample.js needs, and whether JPEG files are decoded smaller, as no page can."""
    if not card.reads_images:
        return None
    square = card.preprocessing.square
    return {
        "shorter_side": square.shorter_side,
        "interpolation": square.interpolation,
        "draft": square.draft,
    }


def held_out_names(card: ModelCard) -> list[str]:
    """Return the names of the classes that the model never saw, as far as they are known: else numbers."""
    from euinet.data.sets.datasets import class_names

    names = class_names(card.data)
    return [names[number] if number < len(names) else str(number) for number in card.unknown_classes]
