"""How data become what a model reads: images in its geometry, or what its backbone makes of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from euinet.data.embedded.dataset import embed_unlabelled, embed_whole, load_embedded
from euinet.data.embedded.embedder import Embedder
from euinet.data.far.sets import FarReader
from euinet.data.sets.datasets import load_for_model
from euinet.data.sets.folders import WholeFolder, load_whole_folder
from euinet.data.tables.dataset import load_table, unlabelled_table, whole_table
from euinet.data.tables.table import check_width
from euinet.errors import DataError, UsageError
from euinet.images.given import read_images
from euinet.model.backbone import OnnxEmbedder
from euinet.model.card import ModelCard
from euinet.records import Dataset, LabelledImages
from euinet.system.files import expanded, is_file, is_folder
from euinet.system.notify import Notify

NO_CLASS = -1


@dataclass(frozen=True)
class Reading:
    """A model's way to read data: with an embedder, `LabelledImages` are of embeddings."""

    card: ModelCard
    embedder: Embedder | None
    data_root: Path | None
    notify: Notify
    labels: Path | None = None  # of a table's rows, one a line

    def is_given(self, data: str) -> bool:
        """Return whether `data` is the user's own: a folder of images, or what else is read as such."""
        place = expanded(data)
        if not self.card.reads_images:
            return is_file(place)
        return is_folder(place) or (self.embedder is not None and is_file(place))

    def load(self, data: str) -> Dataset:
        """Return a named data set or a folder in its parts. Raises as `load_dataset` does."""
        if not self.card.reads_images:
            dataset = load_table(data, self.labels, self.notify)
            check_width(data, dataset.train.images.shape[1], self.card.width)
            return dataset
        if self.embedder is None:
            square = self.card.preprocessing.square
            return load_for_model(data, self.card.channels, square, self.data_root, self.notify)
        return load_embedded(data, self.embedder, self.data_root, self.notify)

    def whole(self, folder: Path, notify: Notify) -> WholeFolder:
        """Return all labelled images of a folder, whatever part they are in, in the model's classes."""
        card = self.card
        if not card.reads_images:
            found = whole_table(folder, card.class_names, self.labels)
            check_width(folder.name, found.images.images.shape[1], card.width)
            return found
        if self.embedder is None:
            square = card.preprocessing.square
            return load_whole_folder(folder, square, card.class_names, card.channels, notify)
        return embed_whole(
            folder,
            self.embedder,
            card.class_names,
            cache_root=self.data_root,
            notify=notify,
            progress=self.notify,
        )

    def unlabelled(self, folder: str) -> LabelledImages:
        """Return all images of a folder that has no classes; what cannot be read is told."""
        if not self.card.reads_images:
            rows = unlabelled_table(folder)
            check_width(folder, rows.images.shape[1], self.card.width)
            return rows
        if self.embedder is not None:
            place, told = Path(folder), self.notify
            found = embed_unlabelled(
                place, self.embedder, cache_root=self.data_root, notify=told, progress=told
            )
            return LabelledImages(found.features, np.full(len(found.digests), NO_CLASS), found.digests)
        reads = list(read_images(folder, self.card.preprocessing, keep_going=True))
        good = [read.pixels for read in reads if read.pixels is not None]
        broken = [read.error for read in reads if read.error]
        if not good:
            raise DataError(f"No image of {folder} can be read; the first: {broken[0]}")
        if broken:
            self.notify(f"{len(broken)} of {len(reads)} files were left out, the first because {broken[0]}")
        return LabelledImages(np.stack(good), np.full(len(good), NO_CLASS))

    @property
    def far(self) -> FarReader:
        """How far sets are read."""
        card = self.card
        width = 0 if card.reads_images else card.width
        return FarReader(card.channels, card.image_size, self.embedder, self.data_root, width)


def reading_of(
    card: ModelCard,
    backbone: bytes | None,
    data_root: Path | None,
    notify: Notify,
    labels: Path | None = None,
) -> Reading:
    """Return how a model's data are read; `backbone` is the graph of one that has it.

    `labels`: a file of labels for a table that has none. Raises UsageError for labels beside images.
    """
    if labels is not None and card.reads_images:
        raise UsageError("Labels in a file are for a table of embeddings, but the model reads images.")
    embedder = None if backbone is None else OnnxEmbedder(backbone, card.preprocessing)
    return Reading(card, embedder, data_root, notify, labels)


def check_shape(dataset: Dataset, card: ModelCard) -> None:
    """Raise UsageError unless images have the model's geometry, or embeddings its width."""
    shape = tuple(dataset.test.images.shape[1:])
    wanted = card.input_shape if len(shape) == 3 else card.network_shape
    if shape == wanted:
        return
    raise UsageError(
        f"The images of {dataset.name} are {_times(shape)}, the model reads {_times(wanted)} (channels, "
        "height, width)."
        if len(shape) == len(wanted) == 3
        else f"The rows of {dataset.name} have the shape {shape}, the model reads {wanted}."
    )


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
