"""A million names in little memory, and the files below a folder in the order of their paths."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator
from pathlib import Path

from euinet.errors import DataError

HIDDEN = "."


class Names:
    """A list of names that only grows: one run of bytes and where each name ends in it.

    It needs the bytes of the names and 8 more a name; a list of Path objects needs some 200 more.
    """

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("Q")

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> str:
        if not 0 <= index < len(self):
            raise IndexError(index)
        start = self._ends[index - 1] if index else 0
        return os.fsdecode(bytes(self._bytes[start : self._ends[index]]))

    def __iter__(self) -> Iterator[str]:
        return (self[index] for index in range(len(self)))

    def append(self, name: str) -> None:
        """Put a name at the end."""
        self._bytes += os.fsencode(name)
        self._ends.append(len(self._bytes))

    def part(self, start: int, stop: int) -> Names:
        """Return the names from `start` up to `stop` as a list of their own."""
        part = Names()
        before = self._ends[start - 1] if start else 0
        part._ends = array("Q", (end - before for end in self._ends[start:stop]))
        part._bytes = self._bytes[before : before + part._ends[-1]] if part._ends else bytearray()
        return part


def walk(folder: Path, below: str = "") -> Iterator[str]:
    """Yield the files at any depth, relative to `folder`, in the order in which their Paths would be sorted.

    What has a leading dot is passed over, files and folders; links to files are followed, links to folders
    are not. Memory is needed for one folder's names at a time. Raises DataError for a folder that cannot be
    read: its images would be missing and nobody would know.
    """
    names: list[str] = []
    folders: set[str] = set()
    place = folder / below
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name.startswith(HIDDEN):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.add(entry.name)
                elif not _is_file(entry):
                    continue
                names.append(entry.name)
    except OSError as error:
        raise DataError(
            f"The folder {place} cannot be read ({error.strerror or error}): make it readable, or name those "
            "folders that are."
        ) from error
    names.sort(key=os.path.normcase)  # a Path's order: case counts where the system's files do so
    for name in names:
        path = f"{below}{name}"
        if name in folders:
            yield from walk(folder, f"{path}/")
        else:
            yield path


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False
