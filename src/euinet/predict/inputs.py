"""From what a user names (files, folders, patterns, arrays, standard input) to images, one after another.

Images are read as they are asked for, so that a folder of a million needs no more memory than one of ten.
"""

from __future__ import annotations

import glob
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from euinet.data.arrays import looks_like_idx, looks_like_numpy, read_idx_images, read_numpy_images
from euinet.errors import DataError, UsageError
from euinet.pixels import IMAGE_SUFFIXES
from euinet.preprocessing import Preprocessing

STANDARD_INPUT = "-"
_ARRAY_SUFFIXES = frozenset({".npy", ".npz"})
_START = 16  # first bytes of a file, which tell what it is


@dataclass(frozen=True)
class Read:
    """One image as a model reads it, or why it could not be read."""

    path: str  # as it is shown: a file, or an array's file and the place in it, FILE[7]
    pixels: np.ndarray | None  # uint8 (C, H, W)
    remark: str | None = None  # what was done to the image that a person would want to know
    error: str | None = None


class Source(Protocol):
    """Images that belong together: a file, or an array of many."""

    def __len__(self) -> int: ...

    def read(self, preprocessing: Preprocessing) -> Iterator[Read]:
        """Read the images one by one."""


@dataclass(frozen=True)
class FileSource:
    """One image file."""

    path: Path

    def __len__(self) -> int:
        return 1

    def read(self, preprocessing: Preprocessing) -> Iterator[Read]:
        """Read the file."""
        yield read_one(str(self.path), self.path, preprocessing)


@dataclass(frozen=True)
class BytesSource:
    """One image that came by standard input."""

    content: bytes

    def __len__(self) -> int:
        return 1

    def read(self, preprocessing: Preprocessing) -> Iterator[Read]:
        """Read the bytes as an image."""
        yield read_one(STANDARD_INPUT, io.BytesIO(self.content), preprocessing)


@dataclass(frozen=True, eq=False)
class ArraySource:
    """An array of images, uint8 (N, 1 or 3, H, W), perhaps mapped from its file."""

    path: str
    images: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def read(self, preprocessing: Preprocessing) -> Iterator[Read]:
        """Read the images, those of another size as if each were a file."""
        for index, image in enumerate(self.images):
            fitted = preprocessing.fit(np.ascontiguousarray(image))
            yield Read(f"{self.path}[{index}]", fitted.pixels, fitted.remark)


def read_one(name: str, file: Path | BinaryIO, preprocessing: Preprocessing) -> Read:
    """Return an image file as the model reads it, or the sentence why not."""
    try:
        found = preprocessing.read(file)
    except DataError as error:
        return Read(name, None, error=str(error))
    return Read(name, found.pixels, found.remark)


@dataclass(frozen=True)
class Found:
    """What the user's paths lead to."""

    sources: tuple[Source, ...]
    passed_over: int  # files in folders that have no image's name

    @property
    def images(self) -> int:
        """How many images there are, broken ones included."""
        return sum(len(source) for source in self.sources)


def find_inputs(paths: Sequence[str], standard_input: BinaryIO | None = None) -> Found:
    """Return the sources that `paths` name, in their order; a folder's files by name.

    A path is a file (an image, a .npy or .npz array, an idx file of images), a folder (its image files at any
    depth; names with a leading dot are passed over), a pattern with * ? or [ ], or "-": standard input, which
    may be an image, an array, or a list of paths, one a line. Raises UsageError where there is nothing.
    """
    sources: list[Source] = []
    passed_over = 0
    for path in paths:
        if path == STANDARD_INPUT:
            found = _from_standard_input(standard_input or sys.stdin.buffer)
        else:
            found = _from_path(path)
        sources += found.sources
        passed_over += found.passed_over
    return Found(tuple(sources), passed_over)


def _from_path(path: str) -> Found:
    place = Path(path).expanduser()
    if place.is_dir():
        return _from_folder(place)
    if place.exists():
        return Found((_from_file(place),), 0)
    # not Path.glob, which takes no absolute pattern
    matches = [Path(match) for match in sorted(glob.glob(str(place), recursive=True))]  # noqa: PTH207
    if not matches:
        what = "matches nothing" if glob.has_magic(path) else "does not exist"
        raise UsageError(
            f"{path} {what}: give image files, folders, patterns such as 'photos/*.jpg', a .npy array, an "
            "idx file, or - for standard input."
        )
    parts = [_from_folder(m) if m.is_dir() else Found((_from_file(m),), 0) for m in matches]
    sources = tuple(source for part in parts for source in part.sources)
    return Found(sources, sum(part.passed_over for part in parts))


def _from_folder(folder: Path) -> Found:
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    wanted = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    if not wanted:
        raise UsageError(
            f"{folder} has no images ({', '.join(sorted(IMAGE_SUFFIXES))}): give a folder that has, or the "
            "files themselves."
        )
    return Found(tuple(FileSource(path) for path in wanted), len(files) - len(wanted))


def _from_file(path: Path) -> Source:
    """Return an array where the file is one, else an image: what it is, its first bytes say."""
    try:
        with path.open("rb") as file:
            start = file.read(_START)
    except OSError:
        start = b""  # reading it as an image says why
    if looks_like_numpy(start) or path.suffix.lower() in _ARRAY_SUFFIXES:
        return ArraySource(str(path), read_numpy_images(path))
    if looks_like_idx(start) and path.suffix.lower() not in IMAGE_SUFFIXES:
        return ArraySource(str(path), read_idx_images(path))
    return FileSource(path)


def _from_standard_input(stream: BinaryIO) -> Found:
    content = stream.read()
    if not content.strip():
        raise UsageError("Standard input is empty: send an image, a .npy array, or paths, one a line.")
    if looks_like_numpy(content[:_START]):
        return Found((ArraySource(STANDARD_INPUT, read_numpy_images(io.BytesIO(content))),), 0)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return Found((BytesSource(content),), 0)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not all(line.isprintable() for line in lines):
        return Found((BytesSource(content),), 0)
    if STANDARD_INPUT in lines:
        raise UsageError(
            "The list of paths on standard input names standard input itself: take out the line -."
        )
    parts = [_from_path(line) for line in lines]
    sources = tuple(source for part in parts for source in part.sources)
    return Found(sources, sum(part.passed_over for part in parts))
