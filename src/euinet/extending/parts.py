"""The parts that an extended model learns from: what it knew stays where it was, what is new is parted."""

from dataclasses import replace

import numpy as np

from euinet.answers import IntArray
from euinet.data.split.fingerprint import image_digests
from euinet.model.known import KnownParts
from euinet.records import LabelledImages, LeftOut, Split, SplitPositions, joined

TO_CALIBRATE, TO_SET_RANGES = 0.2, 0.1  # shares of a class's new images
LEAST_WEIGHT = 0.25  # of the median class: a class with fewer images is shown as often as this


def old_and_new(kept: KnownParts, images: LabelledImages, names: tuple[str, ...], seed: int) -> Split:
    """Return old and new in three parts; what is old stays in its part."""
    once = np.sort(np.unique(image_digests(images), return_index=True)[1])
    images = images.where(once)
    images = replace(images, images=np.asarray(images.images, np.float16))
    draw = np.random.default_rng(seed)
    chosen: dict[str, list[IntArray]] = {"train": [], "validation": [], "calibration": []}
    for label in np.unique(images.labels):
        order = draw.permutation(np.flatnonzero(images.labels == label))
        first = max(1, round(TO_CALIBRATE * len(order)))
        second = first + round(TO_SET_RANGES * len(order))
        parts = np.split(order, [first, second])
        for part, places in zip(("calibration", "validation", "train"), parts, strict=True):
            chosen[part].append(places)
    both = {
        part: joined(getattr(kept, part), images.where(np.concatenate(places)))
        for part, places in chosen.items()
    }
    positions = np.cumsum([0, *(len(part) for part in both.values())])
    spans = {
        part: np.arange(start, stop)
        for part, start, stop in zip(both, positions[:-1], positions[1:], strict=True)
    }
    nothing = np.empty(0, np.int64)
    return Split(
        dataset="extended",
        class_names=names,
        known_classes=tuple(range(len(names))),
        unknown_classes=(),
        unknown_names=(),
        test=images.where(nothing),
        positions=SplitPositions(**spans, test=nothing),
        left_out=LeftOut(),
        **both,
    )


def levelled(images: LabelledImages, classes: int) -> LabelledImages:
    """Return training rows with those of small classes repeated: a handful must not drown among thousands."""
    counts = np.bincount(images.labels, minlength=classes)
    least = LEAST_WEIGHT * float(np.median(counts))
    times = np.maximum(1, np.ceil(least / np.maximum(counts, 1))).astype(int)
    return images.where(np.repeat(np.arange(len(images)), times[images.labels]))
