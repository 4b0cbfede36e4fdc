"""Known images as rows of a classifier's features and logits, and who of them does what.

No image is both learned from and promised by: the promise is of images that neither EuiNet nor, if it is to
hold, the classifier itself was trained on.
"""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from euinet.answers import IntArray, PixelArray
from euinet.data.embedded.contents import Content
from euinet.data.embedded.dataset import embed_unlabelled, embed_whole
from euinet.data.embedded.embedder import Embedder
from euinet.data.embedded.places import list_images
from euinet.data.sets.layout import subfolders
from euinet.data.split.fingerprint import image_digests
from euinet.data.split.leaks import verify_split
from euinet.data.split.stratify import turn_by_turn
from euinet.errors import DataError, UsageError
from euinet.images.given import read_images
from euinet.images.preprocessing import Preprocessing
from euinet.records import Dataset, LabelledImages, LeftOut, Split, SplitPositions
from euinet.system.class_names import check_new_classes
from euinet.system.files import expanded, is_folder
from euinet.system.notify import Notify

UNLABELLED = -1
SHARES = (0.4, 0.2)  # of known images: those that are learned from, those that set ranges; the rest promises
FEWEST = 30  # known images; far more are needed for a small alpha


class Known(NamedTuple):
    """Rows (N, F+K) of known images with labels (N,), 0 … K−1, or UNLABELLED."""

    rows: LabelledImages
    class_names: tuple[str, ...]  # K


def known_from_folder(
    place: Path,
    embedder: Embedder,
    names: Sequence[str] | None,
    cache: Path | None,
    notify: Notify,
    progress: Notify,
) -> tuple[LabelledImages, tuple[str, ...] | None]:
    """Return rows of a folder's images, labelled where they lie in class folders, and the classes' names.

    Labels are places in the names: those given, which must hold the folder's, else the folder's own. A
    folder without class folders gives images without labels, and no names.
    """
    options = {"cache_root": cache, "notify": notify, "progress": progress}
    if place.is_dir() and not subfolders(place):
        found = embed_unlabelled(place, embedder, **options)  # type: ignore[arg-type]
        labels = np.full(len(found.digests), UNLABELLED)
        return LabelledImages(found.features, labels, found.digests), None
    if names is not None:
        _check_among(list_images(place).class_names, names, place)
    whole = embed_whole(place, embedder, names or (), **options)  # type: ignore[arg-type]
    return whole.images, whole.class_names


def a_few_labelled(
    known: Any,
    labels: Sequence[Any] | None,
    names: Sequence[str] | None,
    most: int,
    preprocessing: Preprocessing,
) -> tuple[list[Any], IntArray]:
    """Return up to `most` known images, in turn of each class, with their labels; none where there are none.

    Of a folder's names `names` gives the order, else the alphabet; its images come as pixels, without those
    that cannot be read.
    """
    if isinstance(known, str | Path) and is_folder(place := expanded(known)):
        listing = list_images(place) if subfolders(place) else None
        if listing is None:
            return [], np.empty(0, np.int64)
        order = list(names or listing.class_names)
        chosen = turn_by_turn(np.asarray(listing.labels, np.int64))[:most]
        wanted = set(chosen.tolist())
        _check_among(listing.class_names, order, place)
        reads = [_read(one, preprocessing) for at, one in enumerate(listing.contents) if at in wanted]
        there = np.array([pixels is not None for pixels in reads])
        places = np.array([order.index(name) for name in listing.class_names], np.int64)
        pixels = [one for one in reads if one is not None]
        return pixels, places[listing.labels[np.sort(chosen)[there]]]
    if labels is None:
        return [], np.empty(0, np.int64)
    numbers = given_labels(labels, None if names is None else tuple(names), len(labels))
    chosen = np.sort(turn_by_turn(numbers)[:most])
    return [known[at] for at in chosen.tolist()], numbers[chosen]


def _read(content: Content, preprocessing: Preprocessing) -> PixelArray | None:
    """Return an image as the classifier reads it; None where it cannot be read, which is told later."""
    try:
        return preprocessing.read(io.BytesIO(content.read())).pixels
    except DataError:
        return None


def known_from_images(images: Any, embedder: Embedder) -> LabelledImages:
    """Return rows of whatever `Model.predict` takes for images, without labels."""
    rows, digests, batch = [], [], list[PixelArray]()

    def compute() -> None:
        if batch:
            pixels = np.stack(batch)
            rows.append(embedder.embed(pixels))
            digests.append(image_digests(pixels))
            batch.clear()

    for read in read_images(images, embedder.preprocessing):
        if read.pixels is not None:
            batch.append(read.pixels)
        if len(batch) == 32:
            compute()
    compute()
    if not rows:
        raise UsageError("There are no known images: give some of each class.")
    labels = np.full(sum(map(len, rows)), UNLABELLED)
    return LabelledImages(np.concatenate(rows), labels, np.concatenate(digests))


def given_labels(labels: Sequence[Any], names: tuple[str, ...] | None, count: int) -> IntArray:
    """Return labels, names or numbers, as places among `names` (N,). Raises UsageError."""
    values = np.asarray(labels).tolist()
    if len(values) != count:
        raise UsageError(f"There are {count} images and {len(values)} labels: give one for each image.")
    places = {name: place for place, name in enumerate(names or ())}
    found = [value if isinstance(value, int) else places.get(str(value)) for value in values]
    if negative := [value for value in found if value is not None and value < 0]:
        raise UsageError(f"A label is {negative[0]}, but labels are names, or numbers from 0.")
    wrong = next((at for at, place in enumerate(found) if place is None), None)
    if wrong is not None:
        raise UsageError(
            f"Label {wrong} is {str(values[wrong])[:60]!r}, which is none of the classifier's classes: give "
            "class_names in the order of its logits, or numbers from 0."
        )
    return np.array(found, np.int64)


def with_answers(rows: LabelledImages, classes: int, names: Sequence[str] | None) -> Known:
    """Return the rows with the classifier's own answer for a label where there is none, and K names.

    Raises UsageError where logits, labels and names do not fit.
    """
    width = rows.images.shape[1]
    if names is None:
        names = [f"class {place}" for place in range(classes)]
    if len(names) != classes:
        raise UsageError(
            f"The classifier gives {classes} logits, and there are {len(names)} classes "
            f"({', '.join(list(names)[:5])}{', …' if len(names) > 5 else ''}): name all {classes} in the "
            "order of its logits (class_names, --classes)."
        )
    labels = rows.labels
    if len(labels) and labels.max() >= classes:
        raise UsageError(f"A label is {labels.max()}, but the classifier has {classes} classes, from 0.")
    check_new_classes(tuple(names))
    answers = np.concatenate(
        [np.empty(0, np.int64)]
        + [
            np.asarray(rows.images[start : start + 4096])[:, width - classes :].argmax(axis=1)
            for start in range(0, len(rows), 4096)
        ]
    )
    return Known(replace(rows, labels=np.where(labels < 0, answers, labels)), tuple(names))


def part_known(known: Known, name: str, seed: int) -> Split:
    """Return known images in three parts, drawn at random: to learn from, to set ranges, to promise.

    Of images with the same pixels one is used. Raises UsageError for too few.
    """
    digests = image_digests(known.rows)
    once = np.sort(np.unique(digests, return_index=True)[1])
    if len(once) < FEWEST:
        raise UsageError(
            f"There are {len(once)} different known images, but at least {FEWEST} are needed, and "
            "about 250 for an alpha of 0.01: give more."
        )
    order = once[np.random.default_rng(seed).permutation(len(once))]
    first, second = (round(share * len(once)) for share in np.cumsum(SHARES))
    parts = [np.sort(part) for part in np.split(order, [first, second])]
    train, validation, calibration = (known.rows.where(part) for part in parts)
    nothing = np.empty(0, np.int64)
    dataset = Dataset(name, known.class_names, known.rows, known.rows.where(nothing))
    split = Split(
        dataset=name,
        class_names=known.class_names,
        known_classes=tuple(range(len(known.class_names))),
        unknown_classes=(),
        unknown_names=(),
        train=train,
        validation=validation,
        calibration=calibration,
        test=dataset.test,
        positions=SplitPositions(train=parts[0], validation=parts[1], calibration=parts[2], test=nothing),
        left_out=LeftOut(copies=len(digests) - len(once)),
    )
    verify_split(split, dataset)
    return split


def _check_among(found: Sequence[str], names: Sequence[str], place: Path) -> None:
    other = [name for name in found if name not in names]
    if other:
        raise UsageError(
            f"{place} has the class '{other[0]}'{f' and {len(other) - 1} more' if len(other) > 1 else ''}, "
            f"which is none of the classifier's {len(names)}: take it out, or name the classes as the "
            "folders are."
        )
