"""One image file's content where it lies: a file of its own, a piece of a larger one, a cell of a table."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from euinet.errors import DataError
from euinet.system.words import printable

MOST_BYTES = 2**30  # of one image file: what is decoded has fewer


class Content(Protocol):
    """One image file's content, not yet read."""

    @property
    def name(self) -> str:
        """What sentences call it."""

    def read(self) -> bytes:
        """Return it. Raises DataError where that cannot be."""


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file's; its path is text, for a Path costs as much as opening the file."""

    name: str  # the path

    def read(self) -> bytes:
        """Return what is in the file."""
        return read_range(self.name, self.name)


@dataclass(frozen=True, slots=True)
class RangeContent:
    """`size` bytes from `offset` on in a file of many."""

    path: Path
    offset: int
    size: int
    name: str

    def read(self) -> bytes:
        """Return these bytes. Raises DataError where the file has become shorter."""
        content = read_range(self.path, self.name, self.offset, self.size)
        if len(content) < self.size:
            raise DataError(f"{printable(self.name)} ends before it should: write {self.path} anew.")
        return content


@dataclass(frozen=True, slots=True)
class CellContent:
    """What a table held in a row; None: nothing, or not to be had, which `why` says."""

    name: str
    content: bytes | None
    why: str = ""

    def read(self) -> bytes:
        """Return it."""
        if self.content is None:
            raise DataError(self.why)
        return self.content


def read_range(path: str | Path, name: str, offset: int = 0, size: int | None = None) -> bytes:
    """Return `size` bytes of a file, or all. Raises DataError where it cannot be read or is too large."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 (a text is no Path)
            wanted = os.fstat(file.fileno()).st_size if size is None else size
            if wanted > MOST_BYTES:
                raise DataError(
                    f"{printable(name)} has more than {MOST_BYTES:,} bytes: give a smaller image."
                )
            file.seek(offset)
            return file.readall() if size is None else file.read(size)
    except FileNotFoundError as error:
        raise DataError(f"There is no image file {printable(name)}.") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            f"{printable(name)} cannot be read ({reason}): give an image file that can."
        ) from error
