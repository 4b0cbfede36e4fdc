"""All about a model except its weights and calibration: what stands in config.json and decision.onnx."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from euinet.images.preprocessing import Preprocessing
from euinet.presets import Preset

AT_A_POINT = frozenset({"alpha", "id_accuracy", "known_rejected", "ood_accuracy", "threshold", "verdict"})
"""Measures that hold at one operating point, of the test images, a far set or a detector: not at another."""


@dataclass(frozen=True)
class LogitRange:
    """What brings a network's scores to where eq. 4's α and γ lie: z → g_k·z + c_k, one map a class.

    It has h's offset, too. scoring/threshold.py fits and applies it.
    """

    gain: tuple[float, ...]  # K numbers above 0
    shift: tuple[float, ...]  # K numbers
    distance_gain: float = 0.0  # how much a distance of 1 lowers all class logits
    disc_offset: float = 0.0  # what is taken from the logit of h before it enters eq. 4

    def __post_init__(self) -> None:
        numbers = (*self.gain, *self.shift, self.distance_gain, self.disc_offset)
        with np.errstate(over="ignore"):
            held = np.array(numbers, np.float32)  # as the network has them
        gains = held[: len(self.gain)]
        if len(self.gain) != len(self.shift) or not np.isfinite(held).all() or (gains <= 0).any():
            raise ValueError(
                f"a logit range needs as many finite gains above 0 as finite shifts, as float32, not {self}"
            )


@dataclass(frozen=True)
class ModelCard:
    """What a model is, where it comes from and how it reads images."""

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

    @property
    def preprocessing(self) -> Preprocessing:
        """How an image file becomes what the network reads."""
        return Preprocessing(self.channels, self.image_size)

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
            "preprocessing": self.preprocessing.to_plain(),
        }
