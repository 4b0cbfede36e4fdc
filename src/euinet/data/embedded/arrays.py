"""Images that are in memory, of a named data set say, through the same pass and cache as image files."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np

from euinet.answers import PixelArray, StoredArray
from euinet.data.embedded.cache import open_cache
from euinet.data.embedded.contents import Content
from euinet.data.embedded.embed import NOT_THERE, embed_contents
from euinet.data.embedded.embedder import Embedder
from euinet.data.sets.left_out import NotUsed
from euinet.errors import DataError
from euinet.images.names import PassedOver
from euinet.records import Dataset, LabelledImages
from euinet.system.notify import Notify, silent


@dataclass(frozen=True, slots=True)
class ArrayContent:
    """One image (C, H, W) as the bytes of a PPM or PGM file."""

    image: PixelArray
    name: str

    def read(self) -> bytes:
        """Return them."""
        channels, height, width = self.image.shape
        kind = "P5" if channels == 1 else "P6"
        return f"{kind} {width} {height} 255\n".encode() + self.image.transpose(1, 2, 0).tobytes()


@dataclass(frozen=True, slots=True)
class ArrayContents:
    """The images of an array (N, C, H, W), one after another."""

    images: PixelArray
    name: str

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[Content]:
        return (ArrayContent(image, f"{self.name}[{place}]") for place, image in enumerate(self.images))


def embed_images(
    images: LabelledImages,
    embedder: Embedder,
    *,
    name: str = "images",
    cache_root: Path | None = None,
    progress: Notify = silent,
) -> LabelledImages:
    """Return the features of images (N, C, H, W) of any size, each read as if it were a file.

    As `embed_dataset`. Raises DataError where a feature is no finite number.
    """
    cache, not_used = open_cache(embedder, cache_root), NotUsed(PassedOver(), 0, len(images))
    try:
        contents = ArrayContents(images.images, name)
        found = embed_contents(contents, len(images), embedder, cache, not_used, progress)
        if (found.rows == NOT_THERE).any():
            raise DataError(f"{not_used.first or 'An image has no features: take it out.'}")
        rows = cache.rows(found.rows)
    finally:
        cache.close()
    return LabelledImages(cast(StoredArray, rows), images.labels, found.digests)


def embed_loaded(
    dataset: Dataset, embedder: Embedder, *, cache_root: Path | None = None, progress: Notify = silent
) -> Dataset:
    """Return a data set that is in memory with features in the place of its images."""
    train, test = (
        embed_images(
            getattr(dataset, part),
            embedder,
            name=f"{dataset.name} {part}",
            cache_root=cache_root,
            progress=progress,
        )
        for part in ("train", "test")
    )
    return replace(dataset, train=train, test=test)


def embed_array(
    images: PixelArray, embedder: Embedder, *, name: str, cache_root: Path | None = None
) -> LabelledImages:
    """Return the features of images (N, C, H, W) of no class, under the label −1."""
    unlabelled = LabelledImages(images, np.full(len(images), -1))
    return embed_images(unlabelled, embedder, name=name, cache_root=cache_root)
