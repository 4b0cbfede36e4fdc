"""Which images there are, of which classes and parts: a few bytes an image, and none is decoded."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from euinet.answers import BoolArray
from euinet.data.embedded.contents import Content
from euinet.data.sets.layout import TEST, TRAIN, VALIDATION, WHOLE
from euinet.data.sets.left_out import NotUsed
from euinet.errors import DataError
from euinet.images.names import PassedOver, image_files
from euinet.system.files import expanded

PARTS = (WHOLE, TRAIN, VALIDATION, TEST)
PARQUET, SHARD = ".parquet", ".tar"
NO_CLASS = -1  # the label of an image of a place that has no classes
_PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


class Contents(Protocol):
    """The contents of many image files, one after another."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Content]: ...


@dataclass(frozen=True, eq=False)
class Listing:
    """Images with their classes and parts; N of them, in the order in which they are read."""

    place: Path  # what the user named
    class_names: tuple[str, ...]  # in label order
    labels: np.ndarray  # (N,) int32, 0 … len(class_names) − 1, or NO_CLASS
    parts: np.ndarray  # (N,) int8, places in PARTS
    contents: Contents
    passed: PassedOver
    beside: int = 0  # images in no class
    folders: Mapping[tuple[str, str], Path] = field(
        default_factory=dict
    )  # of (part, class); tables have none

    def __len__(self) -> int:
        return len(self.labels)

    def of_part(self, part: str) -> BoolArray:
        """Return which images (N,) are in a part."""
        mask: BoolArray = self.parts == PARTS.index(part)
        return mask

    def classes_by_part(self) -> dict[str, list[str]]:
        """Return the classes that have images, by each part that has any."""
        labelled = self.labels != NO_CLASS
        found = {part: np.unique(self.labels[self.of_part(part) & labelled]) for part in PARTS}
        return {part: [self.class_names[k] for k in labels] for part, labels in found.items() if len(labels)}

    def not_used(self) -> NotUsed:
        """Return the count of what is not used, as far as listing knows."""
        return NotUsed(self.passed, self.beside, len(self))


def list_images(place: str | Path) -> Listing:
    """Return the images of a folder of class folders, of Parquet files or of shards of WebDataset.

    A pattern such as 'shards/*.tar' names several files, and so does a folder that has no images, but such
    files. Raises DataError, one sentence, where it cannot be known which images are of which class,
    UsageError where a package is missing.
    """
    from euinet.data.embedded.folder_listing import list_folder
    from euinet.data.embedded.parquet_listing import list_parquet
    from euinet.data.embedded.shard_listing import list_shards

    path = expanded(place)
    files = packed_files(path)
    if files is None:
        return list_folder(path)
    kinds = {file.suffix.lower() for file in files}
    if len(kinds) > 1:
        raise DataError(f"{path} has Parquet files and shards (.tar): give a folder of one kind.")
    return (list_parquet if kinds == {PARQUET} else list_shards)(path, files)


def packed_files(path: Path) -> list[Path] | None:
    """Return the Parquet files or shards that a place leads to, sorted; None for a folder of image files.

    Raises DataError where there is nothing.
    """
    if path.is_dir():
        if next(image_files(path, PassedOver()), None) is not None:
            return None
        files = [found for found in sorted(path.rglob("*")) if _is_packed(found)]
        return files or None
    if path.is_file():
        found = [path]
    elif glob.has_magic(str(path)):
        found = [Path(match) for match in sorted(glob.glob(str(path)))]  # noqa: PTH207 (absolute patterns)
    else:
        found = []
    for file in found:
        if file.name.lower().endswith(_PACKED):
            raise DataError(
                f"{file} is a compressed shard: unpack it to a plain .tar, which images can be read from."
            )
    files = [file for file in found if _is_packed(file)]
    if len(files) < len(found) or not files:
        raise DataError(
            f"{path} {'is none of these' if found else 'leads to nothing'}: give a folder of class folders, "
            "Parquet files of images, or shards of WebDataset (.tar)."
        )
    return files


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() in (PARQUET, SHARD) and not path.name.startswith(".") and path.is_file()
