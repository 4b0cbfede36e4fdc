"""Holding classes out: known classes are divided for training, unknown ones are kept for the test.

Unknown images of the data set's training part are used nowhere at all.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from euinet.answers import IntArray
from euinet.data.split.classes import class_numbers
from euinet.data.split.copies import usable_images
from euinet.data.split.leaks import label_table, verify_split
from euinet.data.split.stratify import stratified_positions
from euinet.errors import DataError, UsageError
from euinet.presets import DataSettings
from euinet.records import Dataset, LabelledImages, Split, SplitPositions, joined

NOWHERE = -1  # the label of an image that goes into no part


def hold_out_classes(
    dataset: Dataset,
    held_out: Sequence[int | str],
    *,
    validation_fraction: float = 0.08,
    calibration_fraction: float = 0.04,
    seed: int = 0,
) -> Split:
    """Divide a data set into train, validation, calibration (known classes only) and test (all classes).

    Validation images set ranges and serve choices; calibration images serve the promised share of false
    alarms and nothing else. `held_out` names the unknown classes (`class_numbers`); none is allowed. The
    fractions are of each known class's training images, at least one image each; where the data set has
    validation images of its own, those are parted in the fractions' ratio and all others are trained on. The
    same seed gives the same split; the other held-out classes do not matter to where an image goes. Of images
    with the same pixels one is used, and none that the test part has (copies.py).
    Raises UsageError for a wrong class, fraction or seed, or fewer than 2 known classes left; DataError
    when a known class has too few images, or one that a held-out class has as well.
    """
    names = dataset.class_names
    unknown = class_numbers(held_out, names)
    known = tuple(number for number in range(len(names)) if number not in unknown)
    if len(known) < 2:
        raise UsageError(
            f"{len(unknown)} of {len(names)} classes are held out, which leaves {len(known)}: at least 2 "
            "must stay known, so hold out fewer."
        )
    _check_settings(validation_fraction, calibration_fraction, seed)
    usable, counted, left_out = usable_images(dataset, unknown)
    labels = np.where(usable, dataset.train.labels, NOWHERE)
    try:
        train, calibration, validation = _part(
            dataset, labels, known, (calibration_fraction, validation_fraction), seed
        )
    except DataError as error:  # too few images: copies may be why
        raise DataError(f"{error} {left_out.sentence()}".rstrip()) from error
    test = np.flatnonzero(counted)
    new_label = label_table(known, len(names))
    split = Split(
        dataset=dataset.name,
        class_names=tuple(names[number] for number in known),
        known_classes=known,
        unknown_classes=unknown,
        unknown_names=tuple(names[number] for number in unknown),
        train=_relabelled(dataset.train.where(train), new_label),
        validation=_relabelled(dataset.train.where(validation), new_label),
        calibration=_relabelled(dataset.train.where(calibration), new_label),
        test=_relabelled(dataset.test.where(test), new_label),
        positions=SplitPositions(train, validation, calibration, test),
        left_out=left_out,
    )
    verify_split(split, dataset)
    return split


def split_dataset(
    dataset: Dataset, held_out: Sequence[int | str], settings: DataSettings, seed: int
) -> Split:
    """Return `hold_out_classes` with the shares that `settings` ask for, given how many images are known."""
    unknown = class_numbers(held_out, dataset.class_names)
    known = ~np.isin(dataset.train.labels, unknown)
    if dataset.validation is not None:
        known &= dataset.validation
    return hold_out_classes(dataset, held_out, **settings.for_images(int(known.sum())).fractions, seed=seed)


def pseudo_dataset(split: Split, known_label: int) -> Dataset:
    """Return a data set of known images only, in which known class `known_label` can play the unknown one.

    Its training part is `split.train`. Its test part is `split.validation` and, of class `known_label`,
    the training images too: with that class held out, no model of the new split has seen them.
    `split.calibration` and `split.test` are not used, so the operating point and the final result stay
    untouched by any choice made on it.
    Raises UsageError when there is no such label.
    """
    if not 0 <= known_label < len(split.class_names):
        raise UsageError(
            f"There is no known label {known_label}: give 0 … {len(split.class_names) - 1}, "
            f"a position in {', '.join(split.class_names)}."
        )
    pretended = split.train.where(split.train.labels == known_label)
    test = joined(split.validation, pretended)
    name = f"{split.dataset}, '{split.class_names[known_label]}' as the pseudo-unknown"
    return Dataset(name, split.class_names, split.train, test)


def _part(
    dataset: Dataset, labels: IntArray, known: tuple[int, ...], fractions: tuple[float, float], seed: int
) -> tuple[IntArray, IntArray, IntArray]:
    """Return positions to train on, to calibrate with and to set ranges by, of labels (N,)."""
    names, share = dataset.class_names, dataset.test_share
    if dataset.validation is None:
        kind = "image" if share else "training image"
        train, *others = stratified_positions(labels, known, names, fractions, seed, kind=kind, taken=share)
        return train, others[0], others[1]
    (train,) = stratified_positions(np.where(dataset.validation, NOWHERE, labels), known, names, (), seed)
    validation, calibration = stratified_positions(
        np.where(dataset.validation, labels, NOWHERE),
        known,
        names,
        (fractions[0] / sum(fractions),),
        seed,
        kind="validation image",
        taken=share,
    )
    return train, calibration, validation


def _relabelled(images: LabelledImages, new_label: IntArray) -> LabelledImages:
    return replace(images, labels=new_label[images.labels])


def _check_settings(validation_fraction: float, calibration_fraction: float, seed: int) -> None:
    fractions = {"validation": validation_fraction, "calibration": calibration_fraction}
    for part, fraction in fractions.items():
        if not 0 < fraction < 1:
            raise UsageError(f"The {part} fraction is {fraction}, but must lie between 0 and 1.")
    if sum(fractions.values()) >= 1:
        raise UsageError(
            f"The validation and calibration fractions are {validation_fraction} and {calibration_fraction}, "
            "but must add up to less than 1, so that images are left to train on."
        )
    if seed < 0:
        raise UsageError(f"The seed is {seed}, but must be 0 or more.")
