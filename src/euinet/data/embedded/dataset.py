"""A folder, Parquet files or shards as a data set of features, by the rules of a folder of images."""

from collections.abc import Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from euinet.answers import BoolArray, Digests, IntArray, StoredArray
from euinet.data.embedded.arrays import embed_loaded
from euinet.data.embedded.cache import open_cache
from euinet.data.embedded.contents import Content
from euinet.data.embedded.embed import NOT_THERE, embed_contents
from euinet.data.embedded.embedder import Embedder
from euinet.data.embedded.folder_listing import list_unlabelled
from euinet.data.embedded.listing import PARTS, Listing
from euinet.data.embedded.places import list_images
from euinet.data.embedded.reading import why_broken
from euinet.data.embedded.rows import FeatureRows
from euinet.data.sets.datasets import DATASETS, load_dataset
from euinet.data.sets.folders import WholeFolder, names_after
from euinet.data.sets.left_out import no_images
from euinet.data.sets.parting import check_parts, parted_dataset
from euinet.errors import DataError
from euinet.images.preprocessing import Preprocessing
from euinet.records import Dataset, LabelledImages
from euinet.system.class_names import check_new_classes
from euinet.system.notify import Notify, silent
from euinet.system.words import printable


class EmbeddedImages(NamedTuple):
    """Features of M images of no class, and where each lies."""

    features: StoredArray  # (M, F) float16, FeatureRows
    digests: Digests  # (M,) of their pixels
    folders: tuple[str, ...]  # (M,) the folder below the place in which each image lies


def embed_dataset(
    place: str | Path,
    embedder: Embedder,
    *,
    cache_root: Path | None = None,
    notify: Notify = silent,
    progress: Notify = silent,
    workers: int | None = None,
) -> Dataset:
    """Return the features of labelled images as a data set; see `list_images` for the place.

    `images` are FeatureRows (N, F) of the cache below `cache_root` (cache.features_folder), `digests` those
    of the pixels that the network saw. Parts are as in `load_folder`; what is left out is told by `notify`,
    how far it is by `progress`. Interrupted, it goes on where it was when it is called again. Raises
    DataError for data that cannot be used, StorageError where the cache cannot be written.
    """
    listing = list_images(place)
    names = listing.class_names
    if len(names) < 2:
        what = f"the class '{printable(names[0])}' alone" if names else "no images"
        raise DataError(
            f"{listing.place} has {what}, but at least 2 classes are needed: make one folder of images a "
            "class, or label images of several."
        )
    check_new_classes(names)  # before all images are read
    check_parts(listing.place, listing.classes_by_part())
    images, there = _embed(listing, embedder, cache_root, notify, progress, workers)
    parts = {
        part: images.where(listing.of_part(part)[there]) for part in PARTS if listing.of_part(part).any()
    }
    return parted_dataset(printable(listing.place.name), names, parts, notify)


def content_of(
    place: str | Path, embedder: Embedder, digests: Digests, cache_root: Path | None, notify: Notify
) -> tuple[list[Content], IntArray, tuple[str, ...]]:
    """Return the contents of the images with these pixels' digests, each once, their labels and all classes.

    Labels are places in the classes' names. Features that are not in the cache are computed first.
    """
    listing = list_images(place)
    images, there = _embed(listing, embedder, cache_root, silent, notify, None)
    assert images.digests is not None
    _, first = np.unique(images.digests, return_index=True)
    chosen = np.sort(first[np.isin(images.digests[first], digests)])
    wanted = set(np.flatnonzero(there)[chosen].tolist())
    contents = [content for place, content in enumerate(listing.contents) if place in wanted]
    return contents, images.labels[chosen], listing.class_names


def load_embedded(data: str, embedder: Embedder, data_root: Path | None, notify: Notify) -> Dataset:
    """Return the features of a named data set, or of what `list_images` takes, in its parts."""
    if data in DATASETS:
        dataset = load_dataset(data, data_root, notify=notify)
        return embed_loaded(dataset, embedder, cache_root=data_root, progress=notify)
    return embed_dataset(data, embedder, cache_root=data_root, notify=notify, progress=notify)


def embed_whole(
    place: str | Path,
    embedder: Embedder,
    class_names: Sequence[str] = (),
    *,
    cache_root: Path | None = None,
    notify: Notify = silent,
    progress: Notify = silent,
    workers: int | None = None,
) -> WholeFolder:
    """Return the features of all labelled images, of whichever part; labels are places in `class_names`.

    Classes that are not among the given names follow them. One class is enough. Else as `embed_dataset`.
    """
    listing = list_images(place)
    names = names_after(class_names, listing.class_names)
    images, _ = _embed(listing, embedder, cache_root, notify, progress, workers)
    places = np.array([names.index(name) for name in listing.class_names], np.int64)
    return WholeFolder(LabelledImages(images.images, places[images.labels], images.digests), names)


def embed_unlabelled(
    folder: Path,
    embedder: Embedder,
    *,
    cache_root: Path | None = None,
    notify: Notify = silent,
    progress: Notify = silent,
    workers: int | None = None,
) -> EmbeddedImages:
    """Return the features of all images of a folder, at any depth, whose classes do not matter.

    Raises DataError where none can be read. Else as `embed_dataset`.
    """
    listing = list_unlabelled(folder)
    images, there = _embed(listing, embedder, cache_root, notify, progress, workers)
    folders = tuple(
        Path(content.name).parent.relative_to(folder).as_posix().removeprefix(".")
        for content, kept in zip(listing.contents, there.tolist(), strict=True)
        if kept
    )
    assert images.digests is not None
    return EmbeddedImages(images.images, images.digests, folders)


def _embed(
    listing: Listing,
    embedder: Embedder,
    cache_root: Path | None,
    notify: Notify,
    progress: Notify,
    workers: int | None,
) -> tuple[LabelledImages, BoolArray]:
    """Return the features of the listed images that could be used, and which these are, (N,)."""
    not_used = listing.not_used()
    with closing(open_cache(embedder, cache_root)) as cache:
        found = embed_contents(listing.contents, len(listing), embedder, cache, not_used, progress, workers)
        there = found.rows != NOT_THERE
        _check_classes(listing, there, embedder.preprocessing, not_used.first)
        rows = cache.rows(found.rows[there])
    not_used.tell(notify)
    images = _labelled(rows, listing.labels[there].astype(np.int64), found.digests[there])
    return images, there


def _labelled(rows: FeatureRows, labels: np.ndarray, digests: Digests) -> LabelledImages:
    return LabelledImages(cast(StoredArray, rows), labels, digests)


def _check_classes(listing: Listing, there: BoolArray, preprocessing: Preprocessing, first: str) -> None:
    """Raise DataError where no image of a class, in one of the parts, can be used."""
    if not there.any():
        raise DataError(f"No image of {listing.place} can be read; the first: {first}")
    for part, classes in listing.classes_by_part().items():
        mask = listing.of_part(part)
        left = np.unique(listing.labels[mask & there])
        lost = [name for name in classes if listing.class_names.index(name) not in left]
        if not lost:
            continue
        of_class = mask & (listing.labels == listing.class_names.index(lost[0]))
        content = next(islice(listing.contents, int(np.flatnonzero(of_class)[0]), None))
        why = why_broken(content, preprocessing) or first
        if folder := listing.folders.get((part, lost[0])):
            raise no_images(folder, why)
        raise DataError(
            f"No image of the class '{printable(lost[0])}' in {listing.place} can be read; the first: {why}"
        )
