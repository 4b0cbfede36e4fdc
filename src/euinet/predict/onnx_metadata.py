"""What an exported model says of itself: one JSON document in the file, checked before it is believed.

No torch in this file: a decision from an exported model needs none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from euinet.errors import StorageError
from euinet.images.preprocessing import Preprocessing

KEY = "euinet"  # of the document, among the file's metadata
FORMAT_VERSION = 1
INPUT = "images"
MAX_CHARACTERS = 16 * 2**20
MAX_NAME = 200  # characters of a class's name


@dataclass(frozen=True)
class OnnxMetadata:
    """All that is not in the graph, or not to be read off it."""

    class_names: tuple[str, ...]  # of the K known classes, in label order
    preprocessing: Preprocessing
    alpha: float | None  # promised share of false alarms
    per_class: bool  # whether each class keeps the promise by itself
    calibration_images: int  # n; 0: the file gives no p-values
    calibration_images_by_class: tuple[int, ...] | None  # where each class keeps it by itself
    threshold: float | tuple[float, ...]  # of `ood_score`; one a class where each keeps it by itself
    data: str
    preset: str
    euinet_version: str

    def to_json(self) -> str:
        """Return the document."""
        values = asdict(self) | {"preprocessing": self.preprocessing.to_plain()}
        return json.dumps({"format_version": FORMAT_VERSION, **values}, ensure_ascii=False, allow_nan=False)


def read_metadata(text: str) -> OnnxMetadata:
    """Return what the document says.

    Raises StorageError for a later format, ValueError, TypeError or KeyError for what is no such document.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"its description is longer than {MAX_CHARACTERS} characters")
    values = json.loads(text, parse_constant=_no_number)
    if not isinstance(values, dict):
        raise TypeError("its description is no JSON object")
    version = _whole(values, "format_version", 1)
    if version != FORMAT_VERSION:
        raise StorageError(
            f"The exported model has format {version}, this version of euinet reads {FORMAT_VERSION}; use "
            "the version of euinet that wrote it."
        )
    names, per_class = _names(values["class_names"]), values["per_class"]
    if not isinstance(per_class, bool):
        raise TypeError("per_class is neither true nor false")
    alpha = values["alpha"]
    if not (alpha is None or (isinstance(alpha, float) and 0 < alpha < 1)):
        raise ValueError(f"alpha is {alpha!r:.40}")
    images = _whole(values, "calibration_images", 0)
    return OnnxMetadata(
        class_names=names,
        preprocessing=_preprocessing(values["preprocessing"]),
        alpha=alpha,
        per_class=per_class,
        calibration_images=images,
        calibration_images_by_class=_by_class(values, len(names), images, per_class),
        threshold=_threshold(values["threshold"], len(names), per_class),
        data=_text(values, "data"),
        preset=_text(values, "preset"),
        euinet_version=_text(values, "euinet_version"),
    )


def _names(names: Any) -> tuple[str, ...]:
    if not isinstance(names, list) or len(names) < 2 or not all(isinstance(name, str) for name in names):
        raise TypeError("class_names is no list of two names or more")
    if len(set(names)) < len(names):
        raise ValueError("two classes have the same name")
    # what is printed on a terminal must not steer it
    if any(not 0 < len(name) <= MAX_NAME or not name.isprintable() for name in names):
        raise ValueError(f"a class's name is empty, longer than {MAX_NAME}, or not printable")
    return tuple(names)


def _preprocessing(plain: Any) -> Preprocessing:
    if not isinstance(plain, dict):
        raise TypeError("preprocessing is no JSON object")
    found = Preprocessing(_whole(plain, "channels", 1), _whole(plain, "image_size", 1))
    if plain != found.to_plain():
        raise ValueError("preprocessing that this version does not know")
    return found


def _by_class(
    values: Mapping[str, Any], classes: int, images: int, per_class: bool
) -> tuple[int, ...] | None:
    counts = values["calibration_images_by_class"]
    if counts is None and not (per_class and images):
        return None
    if not isinstance(counts, list) or len(counts) != classes:
        raise ValueError("the calibration images by class do not fit the classes")
    found = tuple(
        _whole({"a class's calibration images": n}, "a class's calibration images", 0) for n in counts
    )
    if sum(found) != images:
        raise ValueError("the calibration images by class do not add up")
    return found


def _threshold(threshold: Any, classes: int, per_class: bool) -> float | tuple[float, ...]:
    numbers = threshold if isinstance(threshold, list) else [threshold]
    if any(not isinstance(n, float) or not math.isfinite(n) for n in numbers):
        raise ValueError("a threshold is no finite number")
    if len(numbers) != (classes if per_class else 1):
        raise ValueError("the thresholds do not fit the classes")
    return tuple(numbers) if per_class else numbers[0]


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


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number that may stand here")
