"""Which cells a benchmark has: every split of held-out classes with every seed."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from euinet.data.split.fingerprint import image_digests
from euinet.data.split.holdout import hold_out_classes, split_dataset
from euinet.errors import UsageError
from euinet.presets import Preset
from euinet.records import Dataset, LabelledImages

SIX_FOUR_KNOWN = (
    (2, 4, 5, 9, 8, 3),
    (3, 2, 6, 9, 4, 0),
    (5, 8, 3, 2, 4, 6),
    (3, 7, 8, 4, 0, 5),
    (6, 3, 4, 9, 8, 2),
)
"""The six known digits of each of the literature's five MNIST splits; the other four are unknown.

Source: the split files of Chen et al. 2021 (ARPL, https://github.com/iCGY96/ARPL) and Vaze et al. 2022
(https://github.com/sgvaze/osr_closed_set_all_you_need), which agree.
"""

LONGEST_NAME = 100  # of a cell's folder; file systems allow 255 bytes


@dataclass(frozen=True)
class Cell:
    """One training: which classes are held out, and with which seed and settings.

    With `pseudo` no image of `held_out` and no test image is used: the known class `pseudo` plays the
    unknown one, and the validation images are the known test images. Such results serve to choose settings.
    """

    data: str  # a data set's name or a folder of images
    held_out: tuple[int, ...]  # the data set's own class numbers, ascending
    seed: int
    preset: Preset
    pseudo: int | None = None  # the data set's own class number

    @property
    def id(self) -> str:
        """The cell's name and folder: `without-4_seed-0`, `without-4_pseudo-5_seed-0`."""
        classes = "-".join(str(number) for number in self.held_out)
        if len(classes) > LONGEST_NAME:
            digest = hashlib.sha256(classes.encode()).hexdigest()[:8]
            classes = f"{len(self.held_out)}-classes-{digest}"
        pseudo = "" if self.pseudo is None else f"_pseudo-{self.pseudo}"
        return f"without-{classes}{pseudo}_seed-{self.seed}"


def plan_cells(
    data: str, dataset: Dataset, hold_out: str, seeds: int, preset: Preset, *, pseudo: bool = False
) -> tuple[Cell, ...]:
    """Return the cells for `hold_out` (see `parse_hold_out`) and the seeds 0 … `seeds` − 1.

    All splits of one seed come first, so that a benchmark that is cut short has judged every class.
    Raises UsageError for a wrong class or number of seeds, DataError for a class with too few images:
    before any training.
    """
    if seeds < 1:
        raise UsageError(f"--seeds is {seeds}, but must be at least 1; 3 give an interval.")
    splits = parse_hold_out(hold_out, dataset)
    outline = _outline(dataset)
    cells = []
    for seed in range(seeds):
        for held_out in splits:
            split = split_dataset(outline, held_out, preset.data, seed)
            if pseudo and len(split.known_classes) < 3:
                raise UsageError(
                    f"Without {', '.join(split.unknown_names)} only {len(split.known_classes)} classes are "
                    "known: a pseudo-unknown needs at least 3, so hold out fewer."
                )
            stand_in = pseudo_unknown(held_out, split.known_classes) if pseudo else None
            cells.append(Cell(data, held_out, seed, preset, stand_in))
    return tuple(cells)


def parse_hold_out(text: str, dataset: Dataset) -> tuple[tuple[int, ...], ...]:
    """Return the splits that `text` names, each the held-out class numbers, ascending.

    `each`: every class in turn. `six-four`: the literature's five MNIST splits (SIX_FOUR_KNOWN). Else
    classes by name or number; a comma holds them out together, a semicolon parts splits: `4,9` is one
    split without 4 and 9, `4;9` is two. Raises UsageError for a wrong, missing or repeated one.
    """
    count = len(dataset.class_names)
    if text == "each":
        return tuple((number,) for number in range(count))
    if text == "six-four":
        if count != 10:
            raise UsageError(
                f"--hold-out six-four is made for 10 classes, but {dataset.name} has {count}; name the "
                'splits yourself, such as "0,1;2,3", or give each.'
            )
        return tuple(tuple(sorted(set(range(10)) - set(known))) for known in SIX_FOUR_KNOWN)
    outline = _outline(dataset)
    splits = []
    for part in text.split(";"):
        if not part.replace(",", "").strip():
            raise UsageError(
                f"--hold-out '{text}' has a split without a class; give each, six-four, or splits such as "
                '"4;9" (one class each) or "4,9;0" (4 and 9 together, then 0).'
            )
        split = hold_out_classes(outline, [part]).unknown_classes
        if split in splits:
            raise UsageError(f"--hold-out '{text}' names the split '{part.strip()}' twice; give it once.")
        splits.append(split)
    return tuple(splits)


def pseudo_unknown(held_out: tuple[int, ...], known_classes: tuple[int, ...]) -> int:
    """Return the known class that plays the unknown one: the next after the last held out, cyclic."""
    later = [number for number in known_classes if number > max(held_out)]
    return min(later or known_classes)


def _outline(dataset: Dataset) -> Dataset:
    """Return the data set with digests for pixels: to plan, these and the labels are enough."""

    def outlined(images: LabelledImages) -> LabelledImages:
        digests = image_digests(images.images).view(np.uint8).reshape(-1, 1, 1, 8)
        return LabelledImages(digests, images.labels)

    return replace(dataset, train=outlined(dataset.train), test=outlined(dataset.test))
