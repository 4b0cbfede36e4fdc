"""Images that belong together, read one after another: many files, one array, standard input.

A source is little, can be sent to another process, and can be parted: the images from `start` up to `stop`
are a source of their own. Images are read as they are asked for. Of an array in a .npy or idx file
only a few megabytes are in memory at a time: a mapped file's pages would count as the process's own.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Protocol, Self

import numpy as np

from euinet.errors import DataError
from euinet.images.names import Names
from euinet.images.preprocessing import Preprocessing

STANDARD_INPUT = "-"
CHUNK_BYTES = 2**22  # of an array's file at a time


@dataclass(frozen=True)
class Read:
    """One image as a model reads it, or why it could not be read."""

    path: str  # as it is shown: a file, or an array's file and the place in it, FILE[7]
    pixels: np.ndarray | None  # uint8 (C, H, W)
    remark: str | None = None  # what was done to the image that a person would want to know
    error: str | None = None


class Source(Protocol):
    """Images that belong together."""

    def __len__(self) -> int: ...

    def part(self, start: int, stop: int) -> Source:
        """Return the images from `start` up to `stop` as a source of their own."""

    def read(self, preprocessing: Preprocessing) -> Iterator[Read]:
        """Read the images one by one."""

    def identity(self) -> Iterator[str]:
        """Say which images these are: names, sizes and times of files, so that a change would be noticed."""


@dataclass(frozen=True, eq=False)
class FilesSource:
    """Image files, by their names below a folder, or by whole paths without one."""

    folder: Path
    names: Names

    def __len__(self) -> int:
        return len(self.names)

    def part(self, start: int, stop: int) -> Source:
        """Return the files from `start` up to `stop`."""
        return FilesSource(self.folder, self.names.part(start, stop))

    def read(self, preprocessing: Preprocessing) -> Iterator[Read]:
        """Read the files."""
        for name in self.names:
            path = self.folder / name
            yield read_one(shown(path if self.folder.parts else name), path, preprocessing)

    def identity(self) -> Iterator[str]:
        """Return path, size and time of each file."""
        yield from (file_identity(self.folder / name) for name in self.names)


@dataclass(frozen=True)
class BrokenSource:
    """A file that should hold many images and holds none, or cannot be read: one row, which says why."""

    path: str | Path
    error: str

    def __len__(self) -> int:
        return 1

    def part(self, start: int, stop: int) -> Source:
        """Return the row: no part is less."""
        return self

    def read(self, preprocessing: Preprocessing) -> Iterator[Read]:
        """Say what is wrong."""
        yield Read(shown(self.path), None, error=shown(self.error))

    def identity(self) -> Iterator[str]:
        """Return path and error, and what file it is."""
        yield f"{self.error} {file_identity(Path(self.path))}"


@dataclass(frozen=True)
class BytesSource:
    """One image that came by standard input."""

    content: bytes

    def __len__(self) -> int:
        return 1

    def part(self, start: int, stop: int) -> Source:
        """Return the image: no part is less."""
        return self

    def read(self, preprocessing: Preprocessing) -> Iterator[Read]:
        """Read the bytes as an image."""
        yield read_one(STANDARD_INPUT, io.BytesIO(self.content), preprocessing)

    def identity(self) -> Iterator[str]:
        """Return the bytes' digest."""
        yield hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, eq=False)
class ArraySource:
    """An array of images in memory, uint8 (N, 1 or 3, H, W)."""

    path: str
    images: np.ndarray
    first: int = 0  # the place of images[0] in the file

    def __len__(self) -> int:
        return len(self.images)

    def part(self, start: int, stop: int) -> Source:
        """Return the images from `start` up to `stop`."""
        return replace(self, images=self.images[start:stop], first=self.first + start)

    def read(self, preprocessing: Preprocessing) -> Iterator[Read]:
        """Read the images, those of another size as if each were a file."""
        for index, image in enumerate(self.images, self.first):
            fitted = preprocessing.fit(np.ascontiguousarray(image))
            yield Read(f"{self.path}[{index}]", fitted.pixels, fitted.remark)

    def identity(self) -> Iterator[str]:
        """Return path, shape and digest."""
        digest = hashlib.sha256()
        for image in self.images:
            digest.update(np.ascontiguousarray(image).tobytes())
        yield f"{self.path} {self.images.shape} {digest.hexdigest()}"


@dataclass(frozen=True)
class FileRange:
    """The images of one file from `start` up to `stop`."""

    path: Path
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def part(self, start: int, stop: int) -> Self:
        """Return the images from `start` up to `stop`."""
        return replace(self, start=self.start + start, stop=self.start + stop)

    def read(self, preprocessing: Preprocessing) -> Iterator[Read]:
        """Read the images; from where the file turns out damaged, each that was promised is an error."""
        place, error = self.start, "The file ends before it: save it anew."
        try:
            for read in self.intact(preprocessing):
                yield read
                place += 1
        except DataError as damaged:
            error = str(damaged)
        for missing in range(place, self.stop):
            yield Read(f"{shown(self.path)}[{missing}]", None, error=shown(error))

    def intact(self, preprocessing: Preprocessing) -> Iterator[Read]:
        """Read the images up to the first damage, and raise DataError there."""
        raise NotImplementedError

    def identity(self) -> Iterator[str]:
        """Return path, size and time of the file, and which of its images."""
        yield f"{file_identity(self.path)} {self.start} {self.stop}"


@dataclass(frozen=True)
class ArrayFileSource(FileRange):
    """Images of a .npy or idx file, uint8 (N, 1 or 3, H, W) as `strides` find them in the file."""

    offset: int  # bytes before the first image
    shape: tuple[int, int, int]  # (1 or 3, H, W)
    strides: tuple[int, ...]  # bytes from one image, channel, row, column to the next

    def intact(self, preprocessing: Preprocessing) -> Iterator[Read]:
        """Read the images, a few megabytes at a time. Raises DataError when the file is cut meanwhile."""
        each = self.strides[0]
        step = max(1, CHUNK_BYTES // each)
        try:
            with self.path.open("rb") as file:
                for start in range(self.start, self.stop, step):
                    count = min(step, self.stop - start)
                    file.seek(self.offset + start * each)
                    content = file.read(count * each)
                    if len(content) < count * each:
                        raise DataError(f"{self.path} became shorter while it was read: save it anew.")
                    images = np.ndarray((count, *self.shape), np.uint8, content, strides=self.strides)
                    yield from ArraySource(shown(self.path), images, start).read(preprocessing)
        except OSError as error:
            raise DataError(f"Cannot read {self.path} ({error.strerror or error}).") from error


def array_source(path: Path, images: np.ndarray) -> Source:
    """Return the images of a file, (N, C, H, W) as `arrays` gives them; those that are mapped stay unread.

    An array in Fortran's order has no image in one piece and stays mapped.
    """
    _, channels, height, width = images.shape
    if isinstance(images, np.memmap) and images.strides[0] == channels * height * width:
        shape = (channels, height, width)
        return ArrayFileSource(path, 0, len(images), images.offset, shape, images.strides)
    return ArraySource(shown(path), images)


def shown(path: str | Path) -> str:
    r"""Return a path as text that any file can hold: bytes that are no UTF-8 are written as \xff."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def read_one(name: str, file: Path | BinaryIO, preprocessing: Preprocessing) -> Read:
    """Return an image file as the model reads it, or the sentence why not."""
    try:
        found = preprocessing.read(file)
    except DataError as error:
        return Read(name, None, error=str(error))
    return Read(name, found.pixels, found.remark)


def file_identity(path: Path) -> str:
    """Return a file's path, its size and when it was last written to."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return f"{path} cannot be read"  # as its row will say
    return f"{path} {found.st_size} {found.st_mtime_ns}"
