"""A million names in little memory, and the files below a folder in the order of their paths."""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from euinet.errors import DataError
from euinet.images.pixels import IMAGE_SUFFIXES
from euinet.system.words import counted

HIDDEN = "."
_LONGEST_ENDING = 6  # of a file's name, that is told


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


@dataclass
class PassedOver:
    """What lies in folders and is not read, counted."""

    files: Counter[str] = field(default_factory=Counter)  # by the ending of their names
    links: int = 0  # that lead nowhere, or to what is read anyway
    odd: int = 0  # pipes, sockets, devices

    @property
    def count(self) -> int:
        """How many there are."""
        return self.files.total() + self.links + self.odd

    def sentence(self) -> str:
        """Say what was passed over."""
        endings = ", ".join(f"{name or 'no ending'}: {n}" for name, n in self.files.most_common(5))
        kinds = (
            (self.files.total(), "file", f" without an image's name ({endings})"),
            (self.links, "link", " to nowhere or to what is read anyway"),
            (self.odd, "pipe or device", ""),
        )
        told = [counted(number, what) + more for number, what, more in kinds if number]
        return f"{', '.join(told)}: passed over."


def image_files(folder: Path, passed: PassedOver) -> Iterator[str]:
    """Yield the image files at any depth as `walk` does; what else lies there is added to `passed`."""
    for name in walk(folder, passed):
        if (ending := suffix(name)) in IMAGE_SUFFIXES:
            yield name
        else:
            shown = ending if len(ending) <= _LONGEST_ENDING and ending[1:].isalnum() else ""
            passed.files[shown] += 1


def walk(folder: Path, passed: PassedOver, below: str = "", roots: list[str] | None = None) -> Iterator[str]:
    """Yield the files at any depth, relative to `folder`, in the order in which their Paths would be sorted.

    What has a leading dot is passed over, files and folders. Links are followed, but no folder is read twice:
    a link to one that lies within `folder`, or that holds it, is counted in `passed`, as pipes are. Memory
    is needed for one folder's names at a time. Raises DataError for a folder that cannot be read: its images
    would be missing and nobody would know.
    """
    place = folder / below
    roots = [os.path.realpath(folder)] if roots is None else roots  # read already, or being read
    names: list[str] = []
    folders: dict[str, bool] = {}  # and whether it is a link
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name.startswith(HIDDEN):
                    continue
                if _is(entry, "is_dir"):
                    folders[entry.name] = entry.is_symlink()
                elif not _is(entry, "is_file"):
                    passed.links += entry.is_symlink()
                    passed.odd += not entry.is_symlink()
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
        if name not in folders:
            yield path
        elif not folders[name] or _follow(folder / path, roots, passed):
            yield from walk(folder, passed, f"{path}/", roots)


def _follow(link: Path, roots: list[str], passed: PassedOver) -> bool:
    """Return whether a link leads to a folder that is not read otherwise, and take note of it."""
    there = Path(os.path.realpath(link))
    if any(there.is_relative_to(root) or Path(root).is_relative_to(there) for root in roots):
        passed.links += 1
        return False
    roots.append(str(there))
    return True


def _is(entry: os.DirEntry[str], kind: Literal["is_dir", "is_file"]) -> bool:
    try:
        return bool(getattr(entry, kind)())
    except OSError:  # a link that leads to itself, or where nobody may look
        return False


def suffix(name: str) -> str:
    """Return the ending of a relative path in small letters, as Path.suffix gives it but faster."""
    start, dot, end = name.rpartition(".")
    return f".{end.lower()}" if dot and start and "/" not in end else ""
