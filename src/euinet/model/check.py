"""What a model's files say is checked before anything is built from it: they may be damaged or hostile."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from euinet.errors import StorageError
from euinet.images.preprocessing import LARGEST_SIDE
from euinet.images.square import LARGEST_RESIZE, Interpolation
from euinet.model.card import BackboneCard, LogitRange, ModelCard
from euinet.model.expected import Expected
from euinet.presets import Preset, validate_preset
from euinet.system.class_names import MOST_CLASSES, check_class_names

MAX_CONFIG_BYTES = 16 * 2**20  # a thousand classes with all their metrics stay far below
MAX_HEADER_BYTES = 16 * 2**20  # of the weights' file: a thousand tensors have a tenth of a megabyte
MOST_NUMBERS = 2**17  # of an embedding
_TYPES = frozenset({"F16", "F32", "I32", "I64"})


class _Range(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    gain: tuple[float, ...]
    shift: tuple[float, ...]
    distance_gain: tuple[float, ...] = Field((), max_length=16)
    distance_floor: tuple[float, ...] = Field((), max_length=16)
    distance_edge: tuple[float, ...] = Field((), max_length=16)
    disc_offset: float = 0.0

    @model_validator(mode="before")
    @classmethod
    def _one_distance(cls, values: Any) -> Any:
        """Read ranges of models with one distance, whose gain was a number by itself."""
        if isinstance(values, dict) and isinstance(gain := values.get("distance_gain"), int | float):
            alone = {"distance_gain": (gain,), "distance_floor": (0.0,), "distance_edge": (0.0,)}
            return values | alone
        return values


class _Backbone(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=200)
    weights: str = Field(max_length=4096)
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    finetuned_epochs: int = Field(0, ge=0)

    @field_validator("name", "weights")
    @classmethod
    def _shown(cls, text: str) -> str:
        if not text.isprintable():  # what is printed on a terminal must not steer it
            raise ValueError("a backbone's description is no printable text")
        return text


class _Expected(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    alphas: tuple[float, ...] = Field(max_length=100)
    classes: tuple[int, ...] = Field(max_length=MOST_CLASSES)
    caught: tuple[tuple[float, ...], ...] = Field(max_length=MOST_CLASSES)
    auroc: tuple[float, ...] = Field(max_length=MOST_CLASSES)


class _Card(BaseModel):
    """A model's card, but for the preset and the preprocessing."""

    model_config = ConfigDict(extra="forbid", strict=False)

    data: str = Field(max_length=4096)
    class_names: tuple[str, ...] = Field(min_length=2, max_length=MOST_CLASSES)
    known_classes: tuple[int, ...]
    unknown_classes: tuple[int, ...]
    channels: Literal[0, 1, 3]
    image_size: int = Field(ge=0, le=LARGEST_SIDE)
    seed: int = Field(ge=0)
    logit_range: _Range
    metrics: dict[str, Any]
    command: str | None = None
    data_fingerprint: str | None = None
    width: int = Field(0, ge=0, le=MOST_NUMBERS)
    backbone: _Backbone | None = None
    expected: _Expected | None = None
    resize: int = Field(0, ge=0, le=LARGEST_RESIZE)
    interpolation: Interpolation = "bilinear"
    draft: bool = False

    @field_validator("class_names")
    @classmethod
    def _names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        check_class_names(names)  # what is printed on a terminal must not steer it
        return names

    @model_validator(mode="after")
    def _counts(self) -> _Card:
        classes = len(self.class_names)
        if len(self.known_classes) != classes:
            raise ValueError(f"{len(self.known_classes)} class numbers for {classes} classes")
        if self.expected and not all(0 <= place < classes for place in self.expected.classes):
            raise ValueError(f"an estimate of a class that is none of the {classes}")
        if len(self.logit_range.gain) != classes:
            raise ValueError(f"logit_range has {len(self.logit_range.gain)} gains for {classes} classes")
        return self

    @model_validator(mode="after")
    def _kind(self) -> _Card:
        smallest = 4  # smaller than what is trained
        if self.channels and self.image_size < smallest:
            raise ValueError(f"images of {self.image_size} pixels a side")
        if not self.channels and (self.image_size or not self.width or self.backbone):
            raise ValueError("a model of embeddings has a width, and neither an image size nor a backbone")
        if not self.channels and (self.resize or self.draft or self.interpolation != "bilinear"):
            raise ValueError("a model of embeddings resizes no images")
        if self.channels and bool(self.width) != bool(self.backbone):
            raise ValueError("a backbone and the width of its embeddings go together")
        return self


def checked_config(path: Path, versions: Sequence[int]) -> dict[str, Any]:
    """Return the plain values of a config.json of one of these versions, without the version.

    Raises StorageError for another version, ValueError or TypeError for what is no such file.
    """
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise ValueError(f"{path.name} is larger than {MAX_CONFIG_BYTES} bytes")
    config = parse_json(path.read_text(encoding="utf-8"))
    if not isinstance(config, dict):
        raise TypeError(f"{path.name} is no JSON object")
    version = config.pop("format_version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise TypeError("the format's version is no whole number")
    if version not in versions:
        raise StorageError(
            f"The model has format {version}, this version of euinet reads {', '.join(map(str, versions))}; "
            "use the version of euinet that wrote it."
        )
    return config


def checked_card(values: Mapping[str, Any]) -> ModelCard:
    """Return the card that `ModelCard.to_plain` wrote. Raises ValueError, pydantic's too, or UsageError."""
    values = dict(values)
    preset: Preset = validate_preset(values.pop("preset"))
    preprocessing = values.pop("preprocessing")
    card = _Card.model_validate(values)
    found = {name: getattr(card, name) for name in _Card.model_fields}
    found |= {"preset": preset, "logit_range": LogitRange(**card.logit_range.model_dump())}
    found["backbone"] = card.backbone and BackboneCard(**card.backbone.model_dump())
    found["expected"] = card.expected and Expected(**card.expected.model_dump())
    checked = ModelCard(**found)
    if preprocessing != checked.plain_preprocessing():
        raise ValueError("preprocessing that this version does not know, or that contradicts the model")
    return checked


def parse_json(text: str) -> Any:
    """Return what a JSON text says. Raises ValueError for NaN and infinities, too, 1e999 among them."""
    return json.loads(text, parse_constant=_no_number, parse_float=_finite)


def check_tensors(path: Path, expected: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ValueError unless the file holds the expected tensors, in these shapes, and no others.

    Only the header is read, so that a file which claims to hold more than it does costs nothing.
    """
    header = read_header(path)
    header.pop("__metadata__", None)
    if wrong := sorted(set(header) ^ set(expected)):
        raise ValueError(f"{len(wrong)} tensors are missing or too many, such as {wrong[0][:80]}")
    for name, entry in header.items():
        if entry["dtype"] not in _TYPES:
            raise ValueError(f"the tensor {name[:80]} has the type {entry['dtype']!r:.20}")
        if tuple(entry["shape"]) != expected[name]:
            shape = list(expected[name])
            raise ValueError(f"the tensor {name[:80]} has the shape {entry['shape']!r:.60}, not {shape}")


def check_numbers(tensors: Mapping[str, np.ndarray]) -> None:
    """Raise ValueError unless all tensors hold finite numbers, and BatchNorm's variances none below 0."""
    for name, values in tensors.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError(f"a weight of {name[:80]} is not a number, or infinite")
        if name.endswith("running_var") and (values < 0).any():
            raise ValueError(f"a variance of {name[:80]} is negative")


def read_header(path: Path) -> dict[str, Any]:
    """Return what a safetensors file says it holds; nothing else of it is read.

    Raises ValueError or TypeError for what is no such file.
    """
    with path.open("rb") as file:
        start = file.read(8)
        if len(start) < 8:
            raise ValueError(f"{path.name} is cut short")
        (length,) = struct.unpack("<Q", start)
        if length > min(MAX_HEADER_BYTES, path.stat().st_size):
            raise ValueError(f"{path.name} is no safetensors file")
        header = parse_json(file.read(length).decode())
    if not isinstance(header, dict):
        raise TypeError(f"{path.name} is no safetensors file")
    return header


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _no_number(text: str) -> float:
    raise ValueError(f"{text:.40} is no number that may stand here")
