"""Proof that a split leaks nothing: no unknown class outside the test part, no image in two parts.

Judged by the data set's own labels and images, so that a relabelled image is caught as well. An image is its
pixels: a copy at another position is the same image.
"""

from itertools import combinations

import numpy as np

from euinet.answers import BoolArray, IntArray
from euinet.data.split.fingerprint import image_digests, pieces
from euinet.errors import SplitLeakError
from euinet.records import Dataset, LabelledImages, Split, unknown_label

_REMEDY = "Build the split with hold_out_classes and leave it as it is."
_UNKNOWN = "the unknown classes"
TRAINING_SIDE = ("train", "validation", "calibration")


def verify_split(split: Split, dataset: Dataset) -> None:
    """Check a split against the data set it came from.

    No unknown class in train, validation or calibration, nor an image with the pixels of one; no two parts
    have images with the same pixels, and none of the calibration's counts twice; each image is the data set's
    at its position, under the label that its class has; unknown test images have negative labels. Where the
    data set has validation images of its own, these alone are in validation and calibration.
    Raises SplitLeakError saying which part, how many images, which class.
    """
    new_label = label_map(split, len(dataset.class_names))
    for part in TRAINING_SIDE:
        _check_positions(split, part, dataset.train)
        _check_no_unknown(split, part, dataset)
    for part in TRAINING_SIDE:
        _check_content(split, part, dataset.train, new_label, dataset.class_names)
    _check_validation(split, dataset)
    _check_positions(split, "test", dataset.test)
    _check_content(split, "test", dataset.test, new_label, dataset.class_names)
    _check_pixels(split, dataset)


def label_map(split: Split, class_count: int) -> IntArray:
    """Return the split's label of each of the data set's classes, (class_count,) int64; unknown: negative.

    Raises SplitLeakError unless each class is either known or unknown.
    """
    if sorted(split.known_classes + split.unknown_classes) != list(range(class_count)):
        raise SplitLeakError(
            f"Each of the {class_count} classes must be either known or unknown, but known are "
            f"{list(split.known_classes)} and unknown are {list(split.unknown_classes)}. {_REMEDY}"
        )
    return label_table(split.known_classes, class_count)


def label_table(known_classes: tuple[int, ...], class_count: int) -> IntArray:
    """Return k for the k-th known class, `unknown_label(c)` for any other class c, (class_count,) int64."""
    table = np.array([unknown_label(number) for number in range(class_count)], dtype=np.int64)
    table[list(known_classes)] = np.arange(len(known_classes))
    return table


def _part(split: Split, part: str) -> tuple[LabelledImages, IntArray]:
    return getattr(split, part), getattr(split.positions, part)


def _check_positions(split: Split, part: str, source: LabelledImages) -> None:
    images, positions = _part(split, part)
    if positions.shape != images.labels.shape:
        raise SplitLeakError(f"{part} has {len(images)} images but {len(positions)} positions. {_REMEDY}")
    outside = int(((positions < 0) | (positions >= len(source))).sum())
    if outside:
        raise SplitLeakError(f"{part} has {_count(outside)} from outside the data set. {_REMEDY}")


def _check_no_unknown(split: Split, part: str, dataset: Dataset) -> None:
    own_labels = dataset.train.labels[_part(split, part)[1]]
    for number in split.unknown_classes:
        found = int((own_labels == number).sum())
        if found:
            raise SplitLeakError(
                f"{part} has {_count(found)} of the unknown class '{dataset.class_names[number]}', "
                f"which may be in the test part only. {_REMEDY}"
            )


def _check_validation(split: Split, dataset: Dataset) -> None:
    """Check that of the data set's own validation images none is trained on, and no other one calibrates."""
    if dataset.validation is None:
        return
    for part in TRAINING_SIDE:
        wrong = int((dataset.validation[_part(split, part)[1]] == (part == "train")).sum())
        if wrong:
            kept = "which are for validation" if part == "train" else "which are to be trained on"
            raise SplitLeakError(f"{part} has {_count(wrong)} of the data set {kept}. {_REMEDY}")


def _check_pixels(split: Split, dataset: Dataset) -> None:
    """Check that parts share no pixels with each other, nor with an unknown class's images."""
    digests = {part: image_digests(_part(split, part)[0]) for part in (*TRAINING_SIDE, "test")}
    unknown = dataset.train.where(np.isin(dataset.train.labels, split.unknown_classes))
    others = digests | {_UNKNOWN: image_digests(unknown)}
    for first, second in [*combinations(digests, 2), *((part, _UNKNOWN) for part in TRAINING_SIDE)]:
        shared = np.isin(digests[first], others[second])
        if shared.any():
            classes = _names(dataset.train.labels[_part(split, first)[1][shared]], dataset.class_names)
            found = f"{_count(int(shared.sum()))} of {classes}"
            raise SplitLeakError(f"{first} and {second} share {found}, by their pixels. {_REMEDY}")
    twice = len(digests["calibration"]) - len(np.unique(digests["calibration"]))
    if twice:
        raise SplitLeakError(f"calibration counts {_count(twice)} twice, by their pixels. {_REMEDY}")


def _check_content(
    split: Split, part: str, source: LabelledImages, new_label: IntArray, class_names: tuple[str, ...]
) -> None:
    images, positions = _part(split, part)
    own_labels = source.labels[positions]
    relabelled = images.labels != new_label[own_labels]
    if relabelled.any():
        classes = _names(own_labels[relabelled], class_names)
        raise SplitLeakError(
            f"{part} has {_count(int(relabelled.sum()))} of {classes} under another label. {_REMEDY}"
        )
    if images.images.shape[1:] != source.images.shape[1:]:
        raise SplitLeakError(f"{part} has images of another shape than the data set. {_REMEDY}")
    swapped = _swapped(images, source, positions)
    if swapped.any():
        classes = _names(own_labels[swapped], class_names)
        raise SplitLeakError(
            f"{part} has {_count(int(swapped.sum()))} in the place of {classes} that "
            f"the data set does not have there. {_REMEDY}"
        )


def _swapped(images: LabelledImages, source: LabelledImages, positions: IntArray) -> BoolArray:
    """Return which images (N,) are not the source's at these positions; some megabytes are read at a time."""
    swapped = np.zeros(len(images), np.bool_)
    for piece in pieces(images.images):
        ours, theirs = np.asarray(images.images[piece]), np.asarray(source.images[positions[piece]])
        if not np.array_equal(ours, theirs):
            swapped[piece] = (ours != theirs).reshape(len(ours), -1).any(axis=1)
    if images.digests is not None and source.digests is not None:
        swapped |= images.digests != source.digests[positions]
    return swapped


def _count(images: int) -> str:
    return f"{images} image{'' if images == 1 else 's'}"


def _names(own_labels: IntArray, class_names: tuple[str, ...]) -> str:
    quoted = [f"'{class_names[number]}'" for number in sorted(set(own_labels.tolist()))]
    return f"class{'' if len(quoted) == 1 else 'es'} {', '.join(quoted)}"
