"""Images with the same pixels: one of them at most may be learned from, and none that is judged by.

Copies on both sides of a wall void the promise: a calibration image whose copy was trained on looks more
known than any image that will come.
"""

import numpy as np

from euinet.answers import BoolArray, Digests, IntArray
from euinet.data.split.fingerprint import image_digests
from euinet.errors import DataError
from euinet.records import Dataset, LeftOut


def usable_images(dataset: Dataset, unknown: tuple[int, ...]) -> tuple[BoolArray, BoolArray, LeftOut]:
    """Return which training images (N,) can be parted and which test images (M,) count, and what is left out.

    Of images with the same pixels the first; of the training images none that the test has as well; none
    that stands in two classes, for one of its labels is wrong. Raises DataError where a known class's image,
    training or test, is a held-out class's too: what is known is not unknown.
    """
    train, test = image_digests(dataset.train), image_digests(dataset.test)
    digests = np.concatenate([train, test])
    labels = np.concatenate([dataset.train.labels, dataset.test.labels])
    held_out = np.isin(labels, unknown)
    _check_held_out(digests, labels, held_out, dataset.class_names)

    in_train = np.arange(len(digests)) < len(train)
    two_classes = _in_two_classes(digests, labels)
    in_test = in_train & np.isin(digests, test) & ~two_classes
    copies = ~np.concatenate([_first(train), _first(test)]) & ~two_classes & ~in_test
    told = ~(held_out & in_train)  # unknown training images are used nowhere
    left_out = LeftOut(*(int((mask & told).sum()) for mask in (copies, in_test, two_classes)))
    usable = ~(copies | in_test | two_classes)
    return usable[in_train], usable[~in_train], left_out


def _first(digests: Digests) -> BoolArray:
    """Return which images (N,) are the first with their pixels."""
    first = np.zeros(len(digests), np.bool_)
    first[np.unique(digests, return_index=True)[1]] = True
    return first


def first_of_each(digests: Digests, labels: IntArray) -> IntArray:
    """Return ascending positions of the first image of each pixels and label, among images (N,)."""
    return np.sort(np.unique(np.stack([digests, labels.astype(np.uint64)]), axis=1, return_index=True)[1])


def _check_held_out(
    digests: Digests, labels: IntArray, held_out: BoolArray, class_names: tuple[str, ...]
) -> None:
    shared = ~held_out & np.isin(digests, digests[held_out])
    if not shared.any():
        return
    theirs = held_out & np.isin(digests, digests[shared])
    known, unknown = (
        ", ".join(f"'{class_names[number]}'" for number in np.unique(labels[mask]))
        for mask in (shared, theirs)
    )
    raise DataError(
        f"{shared.sum()} images of {known} have the same pixels as images of {unknown}, which is held out: "
        "no image can be known and unknown. Take them out of one of the classes."
    )


def _in_two_classes(digests: Digests, labels: IntArray) -> BoolArray:
    """Return which images (N,) have the pixels of an image of another label."""
    _, group = np.unique(digests, return_inverse=True)
    least, most = np.full(len(digests), np.iinfo(np.int64).max), np.full(len(digests), -1)
    np.minimum.at(least, group, labels)
    np.maximum.at(most, group, labels)
    differ: BoolArray = (least != most)[group]
    return differ
