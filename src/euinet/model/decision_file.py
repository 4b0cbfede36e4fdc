"""The decision file, `decision.onnx`: what it says of itself, and the calibration that it holds.

The graph computes all from uint8 pixels to p-value, or from embeddings. Where a backbone makes these of
images, it is in the graph, too (backbone_part.py). The calibration's scores are constants of it, so that any
runtime decides as we do, and the only place where they stand: another operating point is another few
kilobytes in the same file, written without torch and without exporting anew.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from euinet.errors import StorageError
from euinet.model.card import ModelCard
from euinet.model.check import check_numbers, checked_card, parse_json
from euinet.model.conformal import Calibration, check_enough
from euinet.model.onnx_part import OnnxPart
from euinet.system.version import VERSION

KEY = "euinet"  # of the description, among the file's metadata
FORMAT_VERSION = 2
IMAGES, EMBEDDING = "images", "embedding"  # names of inputs; the second is also what a backbone gives
WEIGHT = "weight:"  # starts the names of constants that training found
ANSWERS = ("label", "best_class", "ood_score", "probabilities", "p_value")
REASONS = ("scores", "disc_score", "disc_added", "perturbed", "features")
OUTPUTS = (*ANSWERS, *REASONS)
"""The graph's outputs; export/decision.py says what each is."""
MAX_CHARACTERS = 16 * 2**20
_HEXADECIMAL = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Description:
    """What a decision file says of itself: one JSON document in its metadata."""

    card: ModelCard
    network: str  # 64 hexadecimal digits: what makes the scores, but not the calibration
    alpha: float | None = None  # promised share of false alarms
    per_class: bool = False  # whether each class keeps the promise by itself
    calibration_images: int = 0  # n; 0: p-values say nothing
    euinet_version: str = VERSION

    @property
    def input(self) -> str:
        """The name of the graph's input."""
        return IMAGES if self.card.reads_images else EMBEDDING

    def to_json(self) -> str:
        """Return the document."""
        values = dict(vars(self)) | {"card": self.card.to_plain()}
        return json.dumps({"format_version": FORMAT_VERSION, **values}, ensure_ascii=False, allow_nan=False)


def read_description(text: str) -> Description:
    """Return what the document says.

    Raises StorageError for another format, ValueError, TypeError or KeyError for what is no such document.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"its description is longer than {MAX_CHARACTERS} characters")
    values = parse_json(text)
    if not isinstance(values, dict):
        raise TypeError("its description is no JSON object")
    version = _whole(values, "format_version", 1)
    if version != FORMAT_VERSION:
        raise StorageError(
            f"The exported model has format {version}, this version of euinet reads {FORMAT_VERSION}; use "
            "the version of euinet that wrote it."
        )
    alpha, per_class, network = values["alpha"], values["per_class"], _text(values, "network")
    if not isinstance(per_class, bool):
        raise TypeError("per_class is neither true nor false")
    if not (alpha is None or (isinstance(alpha, float) and 0 < alpha < 1)):
        raise ValueError(f"alpha is {alpha!r:.40}")
    if len(network) != 64 or not _HEXADECIMAL.issuperset(network):
        raise ValueError("network is no digest")
    return Description(
        card=checked_card(values["card"]),
        network=network,
        alpha=alpha,
        per_class=per_class,
        calibration_images=_whole(values, "calibration_images", 0),
        euinet_version=_text(values, "euinet_version"),
    )


def read_calibration(content: bytes, description: Description) -> Calibration | None:
    """Return the calibration that a decision file holds; None where it has no scores.

    Raises ValueError, KeyError or UsageError where its constants contradict what the file says of itself, and
    where one that training found is no finite number.
    """
    part, classes = OnnxPart(content), len(description.card.class_names)
    check_numbers(part.constants(WEIGHT))
    scores, answers = part.constant("calibration_scores"), part.constant("calibration_answers")
    if scores.dtype != np.float32 or scores.ndim != 1:
        raise ValueError("its calibration scores are no row of float32")
    if answers.dtype != np.int64 or answers.shape != scores.shape:
        raise ValueError("its calibration answers do not fit the scores")
    if len(answers) and not 0 <= answers.min() <= answers.max() < classes:
        raise ValueError("its calibration answers name classes that it lacks")
    if len(scores) != description.calibration_images:
        raise ValueError(f"it has {len(scores)} calibration scores and says {description.calibration_images}")
    calibration = Calibration(scores, answers, description.alpha, description.per_class)
    check_enough(calibration, description.card.class_names)
    wanted = constants(calibration if len(scores) else None, classes)
    if any(not np.array_equal(part.constant(name), values) for name, values in wanted.items()):
        raise ValueError("its thresholds do not follow from its calibration scores")
    return calibration if len(scores) else None


def with_calibration(content: bytes, description: Description, calibration: Calibration | None) -> bytes:
    """Return a decision file with another calibration in it. Nothing else of it changes."""
    part = OnnxPart(content)
    for name, values in constants(calibration, len(description.card.class_names)).items():
        part.set_constant(name, values)
    part.set_metadata(KEY, describe(description, calibration).to_json())
    return part.to_bytes()


def describe(description: Description, calibration: Calibration | None) -> Description:
    """Return the description of the same network with another calibration."""
    if calibration is None:
        return replace(description, alpha=None, per_class=False, calibration_images=0)
    return replace(
        description,
        alpha=calibration.alpha,
        per_class=calibration.per_class,
        calibration_images=len(calibration),
    )


def constants(calibration: Calibration | None, classes: int) -> dict[str, np.ndarray]:
    """Return the constants of the graph that hold a calibration, K classes and n scores.

    `thresholds` (K,) float32; `calibration_scores` (n,) float32, `calibration_answers` (n,) int64;
    `calibration_counts` (K,) int64, how many of the scores an image of each best class is compared with;
    `per_class` () bool.
    """
    if calibration is None:
        calibration = Calibration(np.empty(0, np.float32), np.empty(0, np.int64))
    return {
        "thresholds": calibration.thresholds(classes),
        "calibration_scores": calibration.scores.astype(np.float32),
        "calibration_answers": calibration.answers.astype(np.int64),
        "calibration_counts": calibration.compared(classes).astype(np.int64),
        "per_class": np.array(calibration.per_class),
    }


def _whole(values: Mapping[str, Any], key: str, least: int) -> int:
    number = values[key]
    if not isinstance(number, int) or isinstance(number, bool) or number < least:
        raise ValueError(f"{key} is {number!r:.40}, no whole number of at least {least}")
    return number


def _text(values: Mapping[str, Any], key: str) -> str:
    text = values[key]
    if not isinstance(text, str) or len(text) > 4096 or not text.isprintable():
        raise ValueError(f"{key} is no printable text")
    return text
