"""All about a model except its weights and calibration: what stands in config.json and decision.onnx."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from euinet.errors import UsageError
from euinet.images.preprocessing import Preprocessing
from euinet.images.square import Interpolation
from euinet.model.expected import Expected
from euinet.presets import Preset

AT_A_POINT = frozenset(
    {"alpha", "expected", "id_accuracy", "known_rejected", "ood_accuracy", "threshold", "verdict"}
)
"""Measures that hold at one operating point, of the test images, a far set or a detector: not at another."""


@dataclass(frozen=True)
class LogitRange:
    """What brings a network's scores to where eq. 4's α and γ lie: z → g_k·z + c_k, one map a class.

    It has h's offset, too. scoring/threshold.py fits and applies it.
    """

    gain: tuple[float, ...]  # K numbers above 0
    shift: tuple[float, ...]  # K numbers
    # how much each distance that the memory gives lowers all class logits, for 1 of it; P numbers
    distance_gain: tuple[float, ...] = ()
    # P numbers each, where scoring.distance_tail is above 0: below the floor a distance counts as the floor,
    # above the edge the tail counts on top
    distance_floor: tuple[float, ...] = ()
    distance_edge: tuple[float, ...] = ()
    disc_offset: float = 0.0  # what is taken from the logit of h before it enters eq. 4

    def __post_init__(self) -> None:
        distances = (*self.distance_gain, *self.distance_floor, *self.distance_edge)
        numbers = (*self.gain, *self.shift, *distances, self.disc_offset)
        with np.errstate(over="ignore"):
            held = np.array(numbers, np.float32)  # as the network has them
        gains = held[: len(self.gain)]
        each = {len(self.distance_gain), len(self.distance_floor), len(self.distance_edge)}
        alike = len(self.gain) == len(self.shift) and len(each) == 1
        if not alike or not np.isfinite(held).all() or (gains <= 0).any():
            raise ValueError(
                "a logit range needs as many finite gains above 0 as finite shifts, and as many floors and "
                f"edges as gains of distances, as float32, not {self}"
            )


@dataclass(frozen=True)
class BackboneCard:
    """The frozen network that makes embeddings of images, and where it comes from."""

    name: str  # efficientnet-lite0, timm/NAME, …, or what an attached classifier was called
    weights: str  # where its weights come from, in words
    digest: str  # SHA-256 of its graph, hexadecimal
    finetuned_epochs: int = 0


@dataclass(frozen=True)
class ModelCard:
    """What a model is, where it comes from and how it reads images, or embeddings in their place.

    Three kinds: `width` 0 reads images and learned from pixels; a `width` with a `backbone` reads images, of
    which the backbone makes embeddings; a `width` without, and then channels and image_size 0, reads
    embeddings as they come.
    """

    data: str
    class_names: tuple[str, ...]  # of the K known classes, in label order
    known_classes: tuple[int, ...]
    unknown_classes: tuple[int, ...]
    channels: int
    image_size: int
    seed: int
    logit_range: LogitRange
    preset: Preset
    metrics: dict[str, Any]
    command: str | None = None  # that made the model
    data_fingerprint: str | None = None  # of the images that it was parted from (data/split/fingerprint.py)
    width: int = 0  # numbers of an embedding, which EuiNet reads in an image's place; 0: the image itself
    backbone: BackboneCard | None = None
    expected: Expected | None = None  # what it should catch, by its own classes held out; None: not estimated
    resize: int = 0  # this and the next two as in images/square.py; the defaults of all models of pixels
    interpolation: Interpolation = "bilinear"
    draft: bool = False

    @property
    def preprocessing(self) -> Preprocessing:
        """How an image file becomes what the network reads. Raises UsageError where it reads no images."""
        if not self.reads_images:
            raise UsageError(
                f"This model reads embeddings, rows of {self.width} numbers, and no images: give a table of "
                "them (.parquet, .npz, .npy or .csv), made by the network that made its training data."
            )
        geometry = (self.channels, self.image_size, self.resize)
        return Preprocessing(*geometry, self.interpolation, self.draft)

    @property
    def reads_images(self) -> bool:
        """Whether images go in; else embeddings."""
        return self.channels > 0

    @property
    def input_shape(self) -> tuple[int, ...]:
        """What goes in: (C, H, W) of an image, or (F,) of an embedding."""
        return (self.channels, self.image_size, self.image_size) if self.reads_images else (self.width,)

    @property
    def network_shape(self) -> tuple[int, ...]:
        """What EuiNet reads: of a model with a backbone the embedding, (F,), else what goes in."""
        return (self.width,) if self.width else self.input_shape

    def expects(self, alpha: float | None) -> dict[str, Any] | None:
        """Return what the model should catch at α, for metrics.json; None where there is no estimate."""
        if self.expected is None or alpha is None:
            return None
        return self.expected.metrics(self.class_names, alpha)

    def of_embeddings(self) -> "ModelCard":
        """Return the card of the same model without its backbone, which reads embeddings."""
        plain = replace(self, resize=0, interpolation="bilinear", draft=False)
        return replace(plain, channels=0, image_size=0, backbone=None)

    def recalibrated(self) -> "ModelCard":
        """Return the card of the same network at another operating point, without measures of the one."""

        def kept(measures: Any) -> Any:
            if not isinstance(measures, dict):
                return measures
            return {key: value for key, value in measures.items() if key not in AT_A_POINT}

        metrics = kept(self.metrics)
        for group in {"near", "far", "detectors"} & metrics.keys():
            if isinstance(metrics[group], dict):
                metrics[group] = {name: kept(row) for name, row in metrics[group].items()}
        return replace(self, metrics=metrics)

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for JSON; model/check.py reads them back."""
        return asdict(self) | {
            "preset": self.preset.model_dump(mode="json"),
            "preprocessing": self.plain_preprocessing(),
        }

    def plain_preprocessing(self) -> dict[str, Any]:
        """Return how inputs are read, for people and programs elsewhere."""
        if self.reads_images:
            return self.preprocessing.to_plain()
        return {"embedding": f"float32, {self.width} numbers a row, in the units of the training data"}
