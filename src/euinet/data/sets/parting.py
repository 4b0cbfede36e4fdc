"""From the parts in which labelled images came to a `Dataset`, the same for images and for their features.

A part is TRAIN, VALIDATION or TEST (layout.py), or WHOLE where the data have none.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from euinet.data.sets.layout import TEST, TRAIN, VALIDATION, WHOLE
from euinet.data.split.copies import first_of_each
from euinet.data.split.fingerprint import image_digests
from euinet.data.split.stratify import stratified_positions
from euinet.errors import DataError
from euinet.records import Dataset, LabelledImages, joined
from euinet.system.notify import Notify

TEST_FRACTION = 0.2  # where the data have no parts
TEST_OF_VALIDATION = 1 / 3  # where they have no part for the test
SPLIT_SEED = 0  # fixed: which images are for the test must never depend on an experiment's seed


def check_parts(place: Path, parts: Mapping[str, Collection[str]]) -> None:
    """Raise DataError unless parts → classes can be trained with: the same classes, and one for the test."""
    if WHOLE in parts:
        return
    if TRAIN not in parts or len(parts) == 1:
        raise DataError(
            f"{place} has {' and '.join(parts)} alone: images to train on are in train, beside it test or "
            "validation or both; or give images without parts, of which a fifth becomes the test."
        )
    for part, classes in parts.items():
        if differing := set(parts[TRAIN]) ^ set(classes):
            raise DataError(
                f"{TRAIN} and {part} of {place} must hold the same classes, but only one of them has "
                f"{', '.join(sorted(differing))}."
            )


def parted_dataset(
    name: str, names: tuple[str, ...], parts: Mapping[str, LabelledImages], notify: Notify
) -> Dataset:
    """Return parts, checked by `check_parts`, as a data set with classes `names`.

    Without a part for the test, a fifth of each class becomes it, of validation images a third; always the
    same. Where images are parted so, of those with the same pixels one is used, which `notify` is told.
    Raises DataError for a class that is too small.
    """
    if WHOLE in parts:
        everything = _without_copies(parts[WHOLE], notify)
        return Dataset(name, names, *_parted(everything, names, TEST_FRACTION), test_share=TEST_FRACTION)
    if VALIDATION not in parts:
        return Dataset(name, names, parts[TRAIN], parts[TEST])
    test = parts.get(TEST)
    validation, share = parts[VALIDATION], 0.0
    if test is None:
        share = TEST_OF_VALIDATION
        validation, test = _parted(_without_copies(validation, notify), names, share)
        notify(f"There is no part for the test: a third of the validation images is it, {len(test)}.")
    both = joined(parts[TRAIN], validation)
    for_validation = np.arange(len(both)) >= len(parts[TRAIN])
    return Dataset(name, names, both, test, for_validation, share)


def _without_copies(images: LabelledImages, notify: Notify) -> LabelledImages:
    """Return each class's images once: of copies, one in training and one in the test would prove nothing."""
    once = first_of_each(image_digests(images), images.labels)
    if len(once) < len(images):
        notify(f"{len(images) - len(once)} images are copies of others in their class and were left out.")
    return images.where(once)


def _parted(
    images: LabelledImages, names: Sequence[str], fraction: float
) -> tuple[LabelledImages, LabelledImages]:
    """Return the rest, then `fraction` of each class."""
    rest, part = stratified_positions(
        images.labels, range(len(names)), names, (fraction,), SPLIT_SEED, fewest_left=0
    )
    return images.where(rest), images.where(part)
