"""What a training will do that its settings alone do not tell, said before it starts."""

from collections.abc import Callable
from operator import attrgetter

from euinet.errors import UsageError
from euinet.presets import Preset, changed_settings
from euinet.records import Split

_Ignored = tuple[tuple[str, ...], Callable[[Preset], bool], str]

_RANGE = tuple(
    f"scoring.{name}"
    for name in ("known_rejected", "known_lead", "disc_known", "distance_scale", "distance_tail")
)
_WITHOUT_EFFECT: tuple[_Ignored, ...] = (  # settings, when nothing reads them, and why
    (
        ("model.trunk_widths", "model.blocks_per_stage"),
        lambda preset: preset.model.backbone not in ("", "small"),
        "model.backbone names a network that has its own",
    ),
    (("model.disc_hidden",), lambda p: p.model.disc_input == "pixels", "model.disc_input is pixels"),
    (
        ("model.memory_neighbours", "model.memory_kind"),
        lambda preset: not preset.model.memory_per_class,
        "model.memory_per_class is 0",
    ),
    (("scoring.distance_tail",), lambda p: p.scoring.distance_scale == 0, "scoring.distance_scale is 0"),
    (("training.backbone_rate",), lambda p: not p.training.backbone_weights, "no training.backbone_weights"),
    (("training.pose_weight",), lambda p: not p.training.poses, "training.poses is 0"),
    (("disc.reals",), lambda p: p.disc.only_fakes, "disc.outliers and disc.mixtures are 0"),
    (_RANGE, lambda p: p.scoring.logit_range == "fixed", "scoring.logit_range is fixed"),
    (("scoring.disc_link",), lambda p: p.scoring.disc_scale == 0, "scoring.disc_scale is 0"),
    (
        ("scoring.perturbation", "scoring.pixel_range"),
        lambda preset: preset.scoring.epsilon == 0,
        "scoring.epsilon is 0",
    ),
)


def epochs_and_steps(preset: Preset, images: int) -> tuple[int, int, int]:
    """Return how many epochs of how many steps of how many images a training on `images` has."""
    batch = min(preset.training.batch_size, images)
    steps = images // batch
    return max(preset.training.epochs, -(-preset.training.min_steps // steps)), steps, batch


def plan(split: Split, preset: Preset) -> list[str]:
    """Return sentences on what is other than a reader of the settings would think; none where all is as set.

    How the images are parted where there are few, how many epochs there are, and settings that were changed
    for nothing.
    """
    return [*_division(split, preset), *_length(split, preset), *without_effect(preset)]


_OF_IMAGES: tuple[tuple[str, object], ...] = (  # settings that embeddings have no use for, and their "off"
    ("data.augmentation", 0.0),
    ("data.stitched", 0.0),
    ("training.poses", 0),
    ("training.backbone_weights", ""),
    ("model.backbone", ""),
)


def check_for_vectors(preset: Preset) -> None:
    """Raise UsageError, one sentence, for settings that vary or read images, where embeddings are learned."""
    for name, off in _OF_IMAGES:
        value = attrgetter(name)(preset)
        if value != off:
            raise UsageError(
                f"The setting {name} is {value}, but embeddings are no images, which it is for: start from "
                "the preset embeddings, or leave it out."
            )


def without_effect(preset: Preset) -> list[str]:
    """Return a sentence for each setting that was given another value and that nothing reads."""
    changed = changed_settings(preset)
    return [
        f"{name} has no effect: {why}."
        for names, ignored, why in _WITHOUT_EFFECT
        if ignored(preset)
        for name in names
        if name in changed
    ]


def _division(split: Split, preset: Preset) -> list[str]:
    kept, promise = len(split.validation), len(split.calibration)
    known, settings = len(split.train) + kept + promise, preset.data
    if settings.for_images(known) == settings:
        return []
    return [
        f"Of {known} images of known classes, the test's not counted, {len(split.train)} are trained on: "
        f"{kept} set ranges and {promise} the promise, and no image may do two of these. With few images, "
        f"the two parts grow until they hold {settings.fewest_validation} and {settings.fewest_calibration} "
        "images (data.fewest_validation, data.fewest_calibration), each up to a fifth of all; of many they "
        f"take {settings.validation_fraction:.0%} and {settings.calibration_fraction:.0%}."
    ]


def _length(split: Split, preset: Preset) -> list[str]:
    epochs, steps, batch = epochs_and_steps(preset, len(split.train))
    if epochs == preset.training.epochs:
        return []
    return [
        f"Training takes {epochs * steps} steps, {epochs} epochs of {steps} with {batch} images each, though "
        f"training.epochs is {preset.training.epochs}: training.min_steps asks for "
        f"{preset.training.min_steps} at least. Lower that too for a shorter training."
    ]
