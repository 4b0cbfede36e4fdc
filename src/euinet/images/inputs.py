"""From what a user names (files, folders, patterns, arrays, standard input) to images, one after another.

A folder of a million files is a list of names here, some 30 bytes each; images are read as they are
asked for.
"""

from __future__ import annotations

import glob
import hashlib
import io
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from euinet.errors import DataError, UsageError
from euinet.images.arrays import (
    MOST_UNPACKED,
    looks_like_idx,
    looks_like_numpy,
    read_idx_images,
    read_numpy_images,
)
from euinet.images.listed import listed_paths
from euinet.images.names import Names, PassedOver, image_files
from euinet.images.parquet_source import PARQUET_MAGIC, parquet_source
from euinet.images.pixels import IMAGE_SUFFIXES
from euinet.images.preprocessing import Preprocessing
from euinet.images.sources import (
    STANDARD_INPUT,
    ArraySource,
    BrokenSource,
    BytesSource,
    FilesSource,
    Read,
    Source,
    array_source,
)
from euinet.system.files import expanded
from euinet.system.words import printable

_ARRAY_SUFFIXES, _PARQUET_SUFFIX = (".npy", ".npz"), ".parquet"
_PIECE = 2**20  # bytes of standard input at a time
_START = 16  # first bytes of a file, which tell what it is


@dataclass(frozen=True)
class Found:
    """What the user's paths lead to."""

    sources: tuple[Source, ...]
    passed: PassedOver  # what lies in folders and is not read

    @property
    def passed_over(self) -> int:
        """How much lies in folders and is not read."""
        return self.passed.count

    @property
    def images(self) -> int:
        """How many images there are, broken ones included."""
        return sum(len(source) for source in self.sources)

    def part(self, start: int, stop: int) -> Found:
        """Return the images from `start` up to `stop`, counted through all sources."""
        parts: list[Source] = []
        before = 0
        for source in self.sources:
            first, last = max(start - before, 0), min(stop - before, len(source))
            if first < last:
                parts.append(source.part(first, last))
            before += len(source)
        return Found(tuple(parts), PassedOver())

    def read(self, preprocessing: Preprocessing) -> Iterator[Read]:
        """Read the images one by one."""
        for source in self.sources:
            yield from source.read(preprocessing)

    def identity(self) -> str:
        """Return a digest that is another when an image was added, removed, renamed or written to."""
        digest = hashlib.sha256()
        for source in self.sources:
            for line in source.identity():
                digest.update(line.encode("utf-8", "surrogateescape") + b"\0")
        return digest.hexdigest()


def find_inputs(paths: Sequence[str], standard_input: BinaryIO | None = None) -> Found:
    """Return the sources that `paths` name, in their order; a folder's files by name.

    A path is a file (an image, a .npy or .npz array, an idx file of images, a Parquet file with the columns
    path and bytes), a folder (its image files at any depth; names with a leading dot are passed over), a
    pattern with * ? or [ ], or "-": standard input, which may be an image, an array, or a list of paths, one
    a line. What is damaged is a row with its error. Raises UsageError where there is nothing, DataError for a
    folder that cannot be read.
    """
    finder = _Finder()
    for path in paths:
        if path == STANDARD_INPUT:
            finder.add_standard_input(standard_input or getattr(sys.stdin, "buffer", None))
        else:
            finder.add_path(path)
    return Found(tuple(finder.sources), finder.passed)


class _Finder:
    """Collects sources; files that follow each other become one."""

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.passed = PassedOver()

    def add_path(self, path: str) -> None:
        """Add what a path or a pattern leads to."""
        place = str(expanded(path)) if path.startswith("~") and not os.path.lexists(path) else path
        try:
            os.stat(place)  # noqa: PTH116 (an empty text is no path)
        except (OSError, ValueError) as error:
            found = _matches(place)
            if not found and isinstance(error, FileNotFoundError | NotADirectoryError):
                raise _nothing(
                    path, "matches nothing" if glob.has_magic(path) else "does not exist"
                ) from error
            for match in found or [place]:
                self._add_place(match)
        else:
            self._add_place(place)

    def _add_place(self, place: str) -> None:
        try:
            mode = Path(place).stat().st_mode
        except (OSError, ValueError):  # too long, forbidden, a link that leads nowhere: its row will say so
            self._add_name(place)
            return
        if stat.S_ISDIR(mode):
            self.add_folder(Path(place))
        elif stat.S_ISREG(mode):
            self.add_file(Path(place), place)
        else:
            raise _nothing(place, "is neither a file nor a folder")

    def add_folder(self, folder: Path) -> None:
        names = Names()
        for name in image_files(folder, self.passed):
            names.append(name)
        if not names:
            raise UsageError(
                f"{folder} has no images ({', '.join(sorted(IMAGE_SUFFIXES))}): give a folder that has, or "
                "the files themselves."
            )
        self.sources.append(FilesSource(folder, names))

    def add_file(self, path: Path, named: str) -> None:
        """Add an array where the file is one, else an image: what it is, its first bytes say."""
        try:
            with path.open("rb") as file:
                start = file.read(_START)
        except OSError:
            start = b""  # reading it as an image says why
        suffix = path.suffix.lower()
        try:
            if looks_like_numpy(start) or suffix in _ARRAY_SUFFIXES:
                self.sources.append(array_source(path, read_numpy_images(path)))
            elif start.startswith(PARQUET_MAGIC) or suffix == _PARQUET_SUFFIX:
                self.sources.append(parquet_source(path))
            elif looks_like_idx(start) and suffix not in IMAGE_SUFFIXES:
                self.sources.append(array_source(path, read_idx_images(path)))
            else:
                self._add_name(named)
        except DataError as error:
            self.sources.append(BrokenSource(path, str(error)))

    def _add_name(self, name: str) -> None:
        last = self.sources[-1] if self.sources else None
        if not isinstance(last, FilesSource) or last.folder != Path():
            last = FilesSource(Path(), Names())
            self.sources.append(last)
        last.names.append(name)

    def add_standard_input(self, stream: BinaryIO | None) -> None:
        content = _piped(stream)
        if not content.strip():
            raise UsageError("Standard input is empty: send an image, a .npy array, or paths, one a line.")
        if looks_like_numpy(content[:_START]):
            try:
                images = read_numpy_images(io.BytesIO(content), "Standard input")
                self.sources.append(ArraySource(STANDARD_INPUT, images))
            except DataError as error:
                self.sources.append(BrokenSource(STANDARD_INPUT, str(error)))
            return
        lines = listed_paths(content)
        if lines is None:
            self.sources.append(BytesSource(content))
            return
        if STANDARD_INPUT in lines:
            raise UsageError(
                "The list of paths on standard input names standard input itself: take out the line -."
            )
        for line in lines:
            self.add_path(line)


def _nothing(path: str, what: str) -> UsageError:
    return UsageError(
        f"{printable(path) or 'An empty text'} {what}: give image files, folders, patterns such as "
        "'photos/*.jpg', a .npy array, an idx file, a .parquet file of images, or - for standard input."
    )


def _matches(pattern: str) -> list[str]:
    """Return the sorted files and folders that a pattern matches, each once however links lead there."""
    if "\0" in pattern:
        return []
    found: dict[tuple[str, str], str] = {}
    # not Path.glob, which takes no absolute pattern
    for match in sorted(glob.glob(pattern, recursive=True), key=lambda match: (len(match), match)):  # noqa: PTH207
        folder, name = os.path.split(match)
        found.setdefault((os.path.realpath(folder), name), match)
    return sorted(found.values())


def _piped(stream: BinaryIO | None) -> bytes:
    """Return all of standard input, but of an endless one no more than an array may have."""
    content = io.BytesIO()
    try:
        while stream and content.tell() <= MOST_UNPACKED and (piece := stream.read(_PIECE)):
            content.write(piece)
    except OSError as error:
        raise UsageError(
            f"Standard input cannot be read ({error.strerror or error}): send an image, a .npy array, or "
            "paths, one a line."
        ) from error
    if content.tell() > MOST_UNPACKED:
        raise UsageError(f"Standard input has more than {MOST_UNPACKED / 1e9:.1f} GB: name files instead.")
    return content.getvalue()
