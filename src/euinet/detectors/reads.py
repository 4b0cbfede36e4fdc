"""What a detector reads of an image, and by which of pytorch-ood's methods it is fitted and scores.

All but IMAGES read a pass that they share; those take the images through the networks themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from pytorch_ood.api import Detector
from torch import Tensor

from euinet.detectors.passes import KnownImages, ReadBatch


@dataclass(frozen=True)
class Reads:
    """One way to be fitted on known images, and to score a batch: (B,), higher = more out-of-distribution."""

    what: str
    fit: Callable[[Detector, KnownImages], object]
    score: Callable[[Detector, ReadBatch], Tensor]


class FittedOn(Enum):
    """The known images that a detector is fitted on."""

    NOTHING = "nothing"
    TRAIN = "the training images"
    FEW = "at most 10,000 of the training images"  # a seeded choice, every class in proportion
    VALIDATION = "the validation images"


def _as_maps(features: Tensor) -> Tensor:
    """Return pooled features (B, F) as feature maps of one pixel, (B, F, 1, 1)."""
    return features[:, :, None, None]


def _fit_on_batches(detector: Detector, known: KnownImages) -> object:
    return detector.fit(known.batches)


def _fit_features(detector: Detector, known: KnownImages) -> object:
    return detector.fit_features(known.gathered.stages[-1], known.labels)


LOGITS = Reads(
    "logits",
    fit=lambda detector, known: detector.fit_logits(known.gathered.class_logits, known.labels),
    score=lambda detector, batch: detector.predict_logits(batch.plain.outputs.class_logits),
)
FEATURES = Reads(
    "pooled features",
    fit=_fit_features,
    score=lambda detector, batch: detector.predict_features(batch.plain.outputs.features),
)
SHAPED_FEATURES = Reads(
    "pooled features, reshaped before the head",
    fit=lambda detector, known: detector.fit_feature_maps(_as_maps(known.gathered.stages[-1]), known.labels),
    score=lambda detector, batch: detector.predict_feature_maps(_as_maps(batch.plain.outputs.features)),
)
HEAD_GRADIENTS = Reads(
    "gradients of the last layer",  # they follow from the features: the network below plays no part
    fit=_fit_features,
    score=lambda detector, batch: detector.predict(batch.plain.outputs.features),
)
MAPS = Reads(
    "last feature maps",
    fit=_fit_on_batches,
    score=lambda detector, batch: detector.predict_feature_maps(batch.plain.maps[-1]),
)
POOLED_LAYERS = Reads(
    "several layers, pooled",
    fit=lambda detector, known: detector.fit_structured(list(known.gathered.stages), known.labels),
    score=lambda detector, batch: detector.predict_structured(batch.plain.stages),
)
LAYERS = Reads(
    "several layers' feature maps",
    fit=_fit_on_batches,  # the maps of all known images would fill the memory
    score=lambda detector, batch: detector.predict_structured(
        batch.plain.outputs.class_logits, list(batch.plain.maps)
    ),
)
HEADS = Reads(
    "logits and the model discriminator",
    fit=_fit_on_batches,
    score=lambda detector, batch: detector.score(detector.heads(batch.images, batch.plain.outputs)),
)
PERTURBED_HEADS = Reads(
    "logits and a discriminator, after the perturbation",
    fit=_fit_on_batches,
    score=lambda detector, batch: detector.score(
        detector.heads(batch.perturbed.images, batch.perturbed.outputs)
    ),
)

IMAGES = Reads(
    "the images themselves", fit=_fit_on_batches, score=lambda detector, batch: detector.predict(batch.images)
)
IMAGES_FITTED_ON_FEATURES = Reads(IMAGES.what, fit=_fit_features, score=IMAGES.score)
