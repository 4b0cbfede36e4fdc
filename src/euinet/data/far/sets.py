"""Far sets: any images at all, to ask a model whether it knows that it does not know them.

Where they come from: a named data set, noise, letters, or a path (see `far_files`). Which of them a model
may be asked about is decided in `overlap`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np

from euinet.answers import BoolArray, Digests, PixelArray, StoredArray
from euinet.data.embedded.arrays import embed_array
from euinet.data.embedded.dataset import embed_unlabelled
from euinet.data.embedded.embedder import Embedder
from euinet.data.far.files import FoundImages, read_far_path
from euinet.data.far.idx import choose_test_images
from euinet.data.far.letters import letter_images
from euinet.data.far.noise import noise_images
from euinet.data.sets.datasets import DATASETS, load_dataset
from euinet.data.split.fingerprint import image_digests
from euinet.data.tables.reading import SUFFIXES, is_table, read_table
from euinet.data.tables.table import check_width, row_digests
from euinet.errors import DataError, UsageError
from euinet.images.preprocessing import Preprocessing
from euinet.system.close import did_you_mean
from euinet.system.files import expanded, is_file, is_folder
from euinet.system.notify import Notify, silent

TRANSPOSE = ":transpose"
_NOISE = "noise-"
GENERATED_NAMES = ("noise-uniform", "noise-gaussian", "letters")


def far_names() -> tuple[str, ...]:
    """Return the names that `load_far` knows; everything else is a path."""
    return (*DATASETS.names(), *GENERATED_NAMES)


@dataclass(frozen=True)
class FarSet:
    """Images that a model was not taught, in its geometry."""

    name: str  # as it was asked for
    images: StoredArray  # (M, channels, image_size, image_size), or (M, F) of a model that reads embeddings
    labels: tuple[str, ...] | None  # class names (of a folder's images: the folder below it); None: unknown
    remark: str | None = None  # what was done to the images, in words
    digests: Digests | None = None  # (M,) of the pixels that embeddings were made of

    @property
    def content_digests(self) -> Digests:
        """A number (M,) for each image: equal ones have the same."""
        return image_digests(self.images) if self.digests is None else self.digests

    def where(self, keep: BoolArray, remark: str) -> FarSet:
        """Return the images at a boolean mask (M,), with `remark` added to the set's own."""
        labels = self.labels and tuple(
            label for label, kept in zip(self.labels, keep.tolist(), strict=True) if kept
        )
        digests = None if self.digests is None else self.digests[keep]
        return FarSet(self.name, self.images[keep], labels, _joined(self.remark, remark), digests)


@dataclass(frozen=True)
class FarReader:
    """How far sets become what a model reads."""

    channels: int  # 0: it reads rows of a table
    image_size: int
    embedder: Embedder | None = None  # makes embeddings of the images
    data_root: Path | None = None
    width: int = 0  # of a row of a table

    @property
    def preprocessing(self) -> Preprocessing:
        """How image files become pixels. Raises UsageError where no images are read."""
        return self.embedder.preprocessing if self.embedder else Preprocessing(self.channels, self.image_size)


def far_reader(shape: tuple[int, ...], embedder: Embedder | None, data_root: Path | None) -> FarReader:
    """Return the reader for a model of data of `shape` (N, …): images (N, C, H, W), or what `embedder` makes.

    Without either they are rows of a table (N, F), and far sets are such tables.
    """
    if embedder is not None:
        reads = embedder.preprocessing
        return FarReader(reads.channels, reads.image_size, embedder, data_root)
    if len(shape) == 2:
        return FarReader(0, 0, None, data_root, shape[1])
    return FarReader(shape[1], shape[-1], None, data_root)


def load_far(
    name: str, channels: int, image_size: int, data_root: Path | None = None, *, notify: Notify | None = None
) -> FarSet:
    """Return the far set `name` in a model's geometry, (M, channels, image_size, image_size) uint8.

    `name` is one of `far_names()` (of a data set: its test images), or a path as in `far_files`, after which
    ":transpose" turns every image's rows into its columns. Images of another size or other channels are read
    as a file's would be, so that a copy stays one; the remark says so. Black and white are never exchanged.
    `data_root` and `notify` are `load_dataset`'s. Raises UsageError for a name or path that does not exist,
    DataError for images that cannot be used.
    """
    return read_far(name, FarReader(channels, image_size, None, data_root), notify=notify)


def read_far(name: str, reader: FarReader, *, notify: Notify | None = None) -> FarSet:
    """Return the far set `name` as `load_far` does, or its embeddings; a table for a model that reads such.

    Raises UsageError and DataError.
    """
    data_root = reader.data_root
    if not reader.channels:
        return _of_table(name, reader.width)
    place = expanded(name)
    folder = reader.embedder is not None and name not in DATASETS and is_folder(place)
    if reader.embedder is not None and folder and choose_test_images(place) is None:
        made = embed_unlabelled(place, reader.embedder, cache_root=data_root, notify=notify or silent)
        return FarSet(name, made.features, made.folders, None, made.digests)
    preprocessing = reader.preprocessing
    found = _find(name, preprocessing, data_root, notify)
    if reader.embedder is not None and len(found.images):
        rows = embed_array(found.images, reader.embedder, name=name, cache_root=data_root)
        return FarSet(name, rows.images, found.labels, found.remark, rows.digests)
    if 0 in found.images.shape:
        raise DataError(f"The far set {name} has no images: its shape is {tuple(found.images.shape)}.")
    images, remark = fit(found.images, preprocessing)
    return FarSet(name, images, found.labels, _joined(found.remark, remark))


def _of_table(name: str, width: int) -> FarSet:
    """Return the rows of a table, of whichever class. Raises UsageError for images and other widths."""
    if not is_table(name):
        raise UsageError(
            f"The far set {name} is no table of embeddings, but the model reads such: have the network that "
            f"made its training data make rows of it, and give those as a {', '.join(SUFFIXES)} file."
        )
    table = read_table(name)
    if not len(table):
        raise DataError(f"The far set {name} has no rows: give embeddings.")
    check_width(name, table.width, width)
    vectors, labels = table.vectors(), None
    if table.labels is not None:
        names, numbers = table.labels.classes(())
        labels = tuple(names[number] for number in numbers.tolist())
    return FarSet(name, vectors, labels, None, row_digests(vectors))


def fit(images: PixelArray, preprocessing: Preprocessing) -> tuple[PixelArray, str | None]:
    """Return (M, 1 or 3, H, W) uint8 images as (M, channels, image_size, image_size), and what was done."""
    side = preprocessing.image_size
    before, wanted = tuple(images.shape[1:]), (preprocessing.channels, side, side)
    if before == wanted:
        return images, None
    done = f"brought from {_times(before)} to {_times(wanted)} (channels, height, width)"
    _, height, width = before
    if height != width:
        done += ", after cropping the middle square"
    return np.stack([preprocessing.fit(image).pixels for image in images]), done


def _find(
    name: str, preprocessing: Preprocessing, data_root: Path | None, notify: Notify | None
) -> FoundImages:
    if name in DATASETS:
        dataset = load_dataset(name, data_root, notify=notify)
        test = dataset.test
        return FoundImages(test.images, tuple(dataset.class_names[label] for label in test.labels.tolist()))
    if name == "letters":
        return FoundImages(*letter_images())
    if name in GENERATED_NAMES:
        kind = cast(Literal["uniform", "gaussian"], name.removeprefix(_NOISE))
        return FoundImages(noise_images(kind, preprocessing.channels, preprocessing.image_size))
    path = expanded(name)
    if name and (is_file(path) or is_folder(path)):
        return _hint_at_emnist(read_far_path(path, preprocessing), path)
    turned = expanded(name.removesuffix(TRANSPOSE))
    if name.endswith(TRANSPOSE) and (is_file(turned) or is_folder(turned)):
        images, labels, remark = read_far_path(turned, preprocessing)
        remark = _joined("every image transposed", remark)
        return FoundImages(np.ascontiguousarray(images.swapaxes(2, 3)), labels, remark)
    raise UsageError(_unknown_name(name))


def _hint_at_emnist(found: FoundImages, path: Path) -> FoundImages:
    if not path.name.startswith("emnist-"):
        return found
    hint = f"EMNIST's own files hold every image transposed, and {TRANSPOSE} after the path turns them"
    return found._replace(remark=_joined(found.remark, hint))


def _unknown_name(name: str) -> str:
    names = far_names()
    return (
        f"There is no far set, file or folder '{name}'.{did_you_mean(name, names)} Give one of "
        f"{', '.join(names)}, an idx file, a .npy array, an image or a folder of images; {TRANSPOSE} may "
        "follow a path."
    )


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _joined(*remarks: str | None) -> str | None:
    return "; ".join(remark for remark in remarks if remark) or None
