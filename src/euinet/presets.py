"""Presets: validated settings with names. A preset states only its differences from the defaults.

`report` holds every value of section 4.1 of the report, in the units under which they work; what
each unit is and how it was found stands in docs/reproduction.md.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from euinet.errors import UsageError
from euinet.system.close import did_you_mean
from euinet.system.numbers import as_written

ClassLoss = Literal["cross_entropy", "sigmoid_binary", "softmax_binary"]
TemperatureRule = Literal["multiply", "divide"]
DiscLink = Literal["probability", "surprise"]

LARGEST_SHARE = 0.2  # of the known training images, for validation and for calibration


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataSettings(_Settings):
    """How the known training images are parted and varied."""

    validation_fraction: float = Field(0.08, gt=0, lt=0.5)  # to set ranges by
    calibration_fraction: float = Field(0.04, gt=0, lt=0.5)  # for the promise alone
    # Small data: both shares grow until they have so many images, up to LARGEST_SHARE each.
    fewest_validation: int = Field(50, ge=1)
    fewest_calibration: int = Field(100, ge=1)  # 99 are needed to promise 1 %
    augmentation: float = Field(0.0, ge=0, le=2)  # 0 none; 1: ±15° rotation, … (augmentations/augment.py)
    stitched: float = Field(0.0, ge=0, le=1)  # share of a batch stitched from two images, labels shared out

    @property
    def fractions(self) -> dict[str, float]:
        """The two shares, as `hold_out_classes` takes them."""
        return {
            "validation_fraction": self.validation_fraction,
            "calibration_fraction": self.calibration_fraction,
        }

    def for_images(self, count: int) -> DataSettings:
        """Return these settings with the shares that `count` known training images need."""

        def share(fraction: float, fewest: int) -> float:
            return max(fraction, min(LARGEST_SHARE, round(fewest / max(count, 1) + 0.0005, 3)))

        return self.model_copy(
            update={
                "validation_fraction": share(self.validation_fraction, self.fewest_validation),
                "calibration_fraction": share(self.calibration_fraction, self.fewest_calibration),
            }
        )


class ModelSettings(_Settings):
    """The networks that are kept."""

    # The trunk (networks/trunks.py); if empty, our own small one, which alone reads trunk_widths and
    # blocks_per_stage. Whether there is one of this name is known where the network is built: what runs
    # without the network needs no backbone.
    backbone: str = Field("", pattern=r"^[\w./:@+ -]*$", max_length=200)
    # channels of each residual stage; the limits here keep a hostile file from asking for the impossible
    trunk_widths: tuple[int, ...] = Field((32, 64, 128), max_length=8)
    blocks_per_stage: int = Field(1, ge=1, le=64)
    # units that read the last stage's map place by place, for the classifier; 0: it reads the map's average
    embedding: int = Field(0, ge=0, le=65536)
    disc_input: Literal["pixels", "features", "stages", "evidence"] = "features"
    disc_hidden: int = Field(128, ge=1, le=65536)
    # features of known images kept, a class (networks/memory.py); 0: none
    memory_per_class: int = Field(0, ge=0, le=10_000)
    memory_neighbours: int = Field(5, ge=1)
    # "product": one distance, of neighbours times Mahalanobis'; "separate": three, each with its own weight
    memory_kind: Literal["product", "separate"] = "product"
    # each embedding ends with the class logits that another classifier gave; they stay as they are
    logits_given: bool = False

    @model_validator(mode="after")
    def _widths(self) -> ModelSettings:
        if not self.trunk_widths or not 1 <= min(self.trunk_widths) <= max(self.trunk_widths) <= 4096:
            raise ValueError("trunk_widths needs at least one number of channels, each 1 … 4096")
        return self


class OptimizerSettings(_Settings):
    """Adam."""

    learning_rate: float = Field(gt=0)
    beta1: float = Field(ge=0, lt=1)
    beta2: float = Field(ge=0, lt=1)


class TrainingSettings(_Settings):
    """EuiNet's own objective and optimizer (eq. 2)."""

    epochs: int = Field(ge=1)  # at least; min_steps may make them more
    min_steps: int = Field(600, ge=1)  # small data: as many more epochs as these steps need
    batch_size: int = Field(128, ge=2)
    optimizer: OptimizerSettings
    schedule: Literal["constant", "one_cycle"] = "constant"
    rate_factor: float = Field(1.0, gt=0)  # the rate is the optimizer's times this; one_cycle's peak
    average_decay: float = Field(0.0, ge=0, lt=1)  # of the weights' running average; 0: none
    # File (.pth or .safetensors) with the weights that model.backbone starts from; if empty, random ones.
    # What came from it learns at the rate times backbone_rate (0: it stays, but for BatchNorm's statistics):
    # at the full rate, which is made for random weights, the first steps would undo it.
    backbone_weights: str = ""
    backbone_rate: float = Field(0.1, ge=0, le=1)
    # Embeddings: the classifier is the softmax regression of least cross-entropy plus so much, times the
    # numbers of a row, of its squared weights; 0: it learns as all else does.
    head_decay: float = Field(0.0, ge=0)
    half_weights: bool = False  # round the finished weights to float16: half the file, the same decisions
    class_loss: ClassLoss = "cross_entropy"
    temperature: float = Field(1.0, gt=0)
    temperature_rule: TemperatureRule = "multiply"
    disc_shapes_trunk: bool = True  # False: the discriminator reads the trunk without shaping it
    # Images a step that are also shown turned or mirrored, for the trunk to tell class and pose apart
    # (augmentations/poses.py), and what that task weighs beside eq. 2's three sums.
    poses: int = Field(0, ge=0)
    pose_weight: float = Field(1.0, gt=0)


class GanSettings(_Settings):
    """The generator and the discriminator it plays against (eq. 3, section 2.2)."""

    generator: Literal["convolutional", "dense"] = "convolutional"
    generator_bias: bool = True
    width: int = Field(32, ge=1)  # channels at half the image's size, of both players
    latent_size: int = Field(64, ge=1)
    adversarial_weight: float = Field(1.0, ge=0)
    feature_matching_weight: float = Field(0.0, ge=0)
    batch_size: int = Field(64, ge=2)
    generator_optimizer: OptimizerSettings
    disc_optimizer: OptimizerSettings

    @model_validator(mode="after")
    def _some_objective(self) -> GanSettings:
        if self.adversarial_weight == 0 and self.feature_matching_weight == 0:
            raise ValueError(
                "the generator needs an objective: adversarial_weight or feature_matching_weight above 0"
            )
        return self


class DiscriminatorSettings(_Settings):
    """What the model discriminator learns from besides the GAN's fakes; by default nothing (section 2.3).

    Each share is of eq. 2's third sum; the GAN's fakes have the rest.
    """

    reals: int = Field(0, ge=0)  # real images a step; 0: all of the batch
    outliers: int = Field(0, ge=0)  # pseudo-outliers a step (augmentations/outliers.py)
    outlier_share: float = Field(0.0, ge=0, le=1)
    mixtures: int = Field(0, ge=0)  # features mixed from two classes a step
    mixture_share: float = Field(0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _shares(self) -> DiscriminatorSettings:
        for name, count, share in (
            ("outlier", self.outliers, self.outlier_share),
            ("mixture", self.mixtures, self.mixture_share),
        ):
            if (count > 0) != (share > 0):
                raise ValueError(
                    f"{name}s ({count} a step) and {name}_share ({share}) go together: set both or none"
                )
        if self.outlier_share + self.mixture_share >= 1:
            raise ValueError("outlier_share and mixture_share must leave something for the GAN's fakes")
        return self

    @property
    def only_fakes(self) -> bool:
        """Whether the GAN's fakes are all that the discriminator is to tell from reals."""
        return self.outliers == 0 and self.mixtures == 0


class ScoringSettings(_Settings):
    """Temperature, perturbation and eq. 4 at inference."""

    temperature: float = Field(gt=0)
    temperature_rule: TemperatureRule = "multiply"
    disc_scale: float = Field(ge=0)  # α of eq. 4
    disc_shift: float  # γ of eq. 4
    disc_link: DiscLink = "probability"  # what of h enters eq. 4: h itself or −log(1 − h) (scoring/joint.py)
    # Share of known validation images that h is to hold for real: its logit is moved until so many have an h
    # below 1/2, before the link. 0: h as the discriminator gives it. Used with a fitted logit range.
    disc_known: float = Field(0.0, ge=0, lt=1)
    # By how much the best logit, in its own deviations, is lowered for each deviation of the distance from
    # what the model remembers (model.memory_per_class); used with a fitted logit range.
    distance_scale: float = Field(0.0, ge=0)
    # What a distance beyond two deviations above the mean counts for on top: that much of what lies beyond.
    # With it, a distance below two deviations under the mean counts as that.
    distance_tail: float = Field(0.0, ge=0)
    # "fixed" uses α and γ on the logits as they come. The others bring the logits to the range that α and γ
    # are made for, by validation images: one range for all classes, or one a class (scoring/threshold.py).
    logit_range: Literal["fixed", "shared", "per_class"] = "per_class"
    known_rejected: float = Field(0.002, gt=0, lt=0.5)  # share of validation images to reject
    # Promised share of known images rejected by mistake: calibration images then set the threshold
    # (model/conformal.py). None: it stays where `known_rejected` of the validation images put it.
    alpha: float | None = Field(None, gt=0, lt=0.5)
    known_lead: float = Field(0.022, gt=0)  # best score of the median known image, above that threshold
    epsilon: float = Field(0.0, ge=0)
    perturbation: Literal["sign", "raw"] = "sign"
    pixel_range: float = Field(2.0, gt=0)  # ε counts in images whose pixels span this: 255, 2 or 1


class Preset(_Settings):
    """All settings of one run."""

    name: str
    data: DataSettings = DataSettings()
    model: ModelSettings = ModelSettings()
    training: TrainingSettings
    gan: GanSettings
    disc: DiscriminatorSettings = DiscriminatorSettings()
    scoring: ScoringSettings

    @model_validator(mode="after")
    def _distance_needs_memory(self) -> Preset:
        if self.scoring.distance_scale > 0 and self.model.memory_per_class < self.model.memory_neighbours:
            raise ValueError(
                "scoring.distance_scale needs model.memory_per_class of at least model.memory_neighbours"
            )
        return self

    @model_validator(mode="after")
    def _weights_need_backbone(self) -> Preset:
        if self.training.backbone_weights and not self.model.backbone:
            raise ValueError(
                "training.backbone_weights needs model.backbone, the name of the network that the file is "
                "of, such as resnet18"
            )
        return self

    @model_validator(mode="after")
    def _outliers_only_read(self) -> Preset:
        if not self.disc.only_fakes and self.training.disc_shapes_trunk:
            raise ValueError(
                "disc.outliers and disc.mixtures need training.disc_shapes_trunk=false: the discriminator "
                "then reads the trunk without shaping it"
            )
        if self.training.poses > 0 and self.training.disc_shapes_trunk:
            raise ValueError(
                "training.poses needs training.disc_shapes_trunk=false: fakes have no class to be told"
            )
        return self


_REPORT_GAN_OPTIMIZER = {"learning_rate": 1e-4, "beta1": 0.35, "beta2": 0.699}

_DIFFERENCES: dict[str, dict[str, object]] = {
    "default": {
        "data": {"augmentation": 1.0},
        "model": {
            "trunk_widths": (16, 32, 64),
            "embedding": 128,
            "disc_input": "evidence",
            "memory_per_class": 120,
            "memory_neighbours": 3,
        },
        "training": {
            "epochs": 7,
            "optimizer": {"learning_rate": 2e-3, "beta1": 0.9, "beta2": 0.99},
            "schedule": "one_cycle",
            "average_decay": 0.999,
            "half_weights": True,
            "disc_shapes_trunk": False,
            "poses": 128,
        },
        "gan": {
            "generator_bias": False,
            "width": 16,
            "batch_size": 16,
            "generator_optimizer": dict(_REPORT_GAN_OPTIMIZER),
            "disc_optimizer": dict(_REPORT_GAN_OPTIMIZER),
        },
        "disc": {
            "reals": 32,
            "outliers": 39,
            "outlier_share": 0.6,
            "mixtures": 32,
            "mixture_share": 0.25,
        },
        "scoring": {
            "temperature": 1.0,
            "disc_scale": 0.5,
            "disc_shift": 0.0,
            "disc_link": "surprise",
            "disc_known": 0.995,
            "distance_scale": 1.5,
            "logit_range": "shared",
            "known_rejected": 0.01,
            "alpha": 0.01,
            "known_lead": 3.5,
        },
    },
    # For embeddings, of a frozen backbone or a table; how its values were chosen: docs/embeddings.md
    "embeddings": {
        "data": {"validation_fraction": 0.1, "calibration_fraction": 0.1},
        "model": {
            "disc_input": "evidence",
            "memory_kind": "separate",
            "memory_per_class": 120,
            "memory_neighbours": 5,
        },
        "training": {
            "epochs": 3,
            "min_steps": 150,
            "batch_size": 256,
            "optimizer": {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.99},
            "schedule": "one_cycle",
            "average_decay": 0.99,
            "half_weights": True,
            "head_decay": 2.5e-5,
            "disc_shapes_trunk": False,
        },
        "gan": {
            "generator": "dense",
            "batch_size": 64,
            "generator_optimizer": dict(_REPORT_GAN_OPTIMIZER),
            "disc_optimizer": dict(_REPORT_GAN_OPTIMIZER),
        },
        "disc": {
            "reals": 64,
            "outliers": 64,
            "outlier_share": 0.5,
            "mixtures": 32,
            "mixture_share": 0.25,
        },
        "scoring": {
            "temperature": 1.0,
            "disc_scale": 0.5,
            "disc_shift": 0.0,
            "disc_link": "surprise",
            "disc_known": 0.995,
            "distance_scale": 1.0,
            "distance_tail": 2.0,
            "logit_range": "shared",
            "known_rejected": 0.01,
            "alpha": 0.01,
            "known_lead": 3.5,
        },
    },
    "report": {
        "data": {"augmentation": 1.0, "stitched": 0.12},
        "training": {
            "epochs": 5,
            "optimizer": {"learning_rate": 2e-4, "beta1": 0.5, "beta2": 0.599},
            "rate_factor": 10,
            "average_decay": 0.999,
            "disc_shapes_trunk": False,
        },
        "gan": {
            "generator_optimizer": dict(_REPORT_GAN_OPTIMIZER),
            "disc_optimizer": dict(_REPORT_GAN_OPTIMIZER),
        },
        "scoring": {
            "known_rejected": 0.0041,  # all that the report's own model loses of the known: 1 − 0.995853
            "temperature": 1e-3,
            "disc_scale": 0.004,
            "disc_shift": 0.008,
            "epsilon": 0.3,
            "pixel_range": 255,
        },
    },
}


WITH_LOGITS = {
    "model.logits_given": "true",
    "model.memory_kind": "product",
    "model.memory_neighbours": "3",
    "scoring.distance_tail": "0",
}
"""What is other than in `embeddings` where rows end with a classifier's logits: of a network that has learned
these very classes one distance tells more than three, and leaving them out in turn tells nothing."""


def preset_names() -> tuple[str, ...]:
    """Return the names that `get_preset` knows."""
    return tuple(_DIFFERENCES)


def get_preset(name: str, overrides: Mapping[str, str] | None = None) -> Preset:
    """Return the preset `name`, with `overrides` such as {"scoring.epsilon": "0"} put in.

    Raises UsageError for an unknown preset or setting, and for a value that is not allowed.
    """
    if name not in _DIFFERENCES:
        hint = did_you_mean(name, _DIFFERENCES)
        raise UsageError(f"There is no preset '{name}'.{hint} Choose one of {', '.join(_DIFFERENCES)}.")
    values: dict[str, object] = {"name": name, **copy.deepcopy(_DIFFERENCES[name])}
    for path, text in (overrides or {}).items():
        _put(values, path, text)
    return validate_preset(values)


def setting_text(path: str, value: Any) -> str:
    """Return a setting's value as `get_preset` reads it: JSON; text is taken as it is. Raises UsageError."""
    if isinstance(value, str):
        return value
    if not isinstance(value, int) and not math.isnan(number := as_written(value)):
        value = number
    elif hasattr(value, "tolist"):  # of NumPy
        value = value.tolist()
    try:
        return json.dumps(value)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{path} is {repr(value)[:60]}, but must be a plain number, text, list or None."
        ) from error


def validate_preset(values: Mapping[str, object]) -> Preset:
    """Return the preset with these nested plain values. Raises UsageError naming the first wrong one."""
    try:
        return Preset.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise UsageError(
                f"There is no setting '{where}'. Known settings: {', '.join(setting_paths())}."
            ) from error
        given = f" (it was {first['input']!r})" if isinstance(first["input"], str | int | float) else ""
        raise UsageError(f"The setting '{where}' is not allowed{given}: {first['msg']}.") from error


def setting_paths() -> list[str]:
    """Return every setting's dotted path, such as "training.epochs"."""

    def walk(model: type[BaseModel], prefix: str) -> list[str]:
        paths = []
        for name, field in model.model_fields.items():
            inner = field.annotation
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                paths += walk(inner, f"{prefix}{name}.")
            elif prefix:  # the preset's own name is no setting
                paths.append(prefix + name)
        return paths

    return walk(Preset, "")


def changed_settings(preset: Preset) -> dict[str, str]:
    """Return the settings in which a preset differs from the one of its name, as `get_preset` takes them."""
    if preset.name not in _DIFFERENCES:
        return {}
    own, found = get_preset(preset.name), {}
    for path in setting_paths():
        value, before = attrgetter(path)(preset), attrgetter(path)(own)
        if value != before:
            found[path] = value if isinstance(value, str) else json.dumps(value)
    return found


def _put(values: dict[str, object], path: str, text: str) -> None:
    """Set the value at a dotted path; `text` is read as JSON where it is JSON, else as a string."""
    if path not in setting_paths():
        hint = did_you_mean(path, setting_paths())
        raise UsageError(f"There is no setting '{path}'.{hint} Known settings: {', '.join(setting_paths())}.")
    *parents, last = path.split(".")
    for parent in parents:
        values = cast(dict[str, object], values.setdefault(parent, {}))
    try:
        values[last] = json.loads(text)
    except json.JSONDecodeError:
        values[last] = text
