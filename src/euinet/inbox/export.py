"""Labelled images as an ImageFolder, `CLASS/KEY.png`: what `euinet train` takes.

A folder may hold other images already, those that the model was trained on. Only files that an earlier export
wrote are ever replaced or removed.
"""

import json
import os
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from euinet.data.sets.layout import training_folder
from euinet.errors import StorageError, UsageError
from euinet.inbox.names import class_name
from euinet.inbox.pictures import write_whole
from euinet.inbox.store import KEY, Item, find_items, read_png
from euinet.system.files import make_folder, storage_error, write_text

WRITTEN = ".euinet-inbox.json"  # lists the files of the last export; the dot hides it from `euinet train`
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that the format has: equal exports are equal files


@dataclass(frozen=True)
class Exported:
    """What an export wrote."""

    classes: dict[str, int]  # images of each class, in alphabetical order
    lost: int  # images whose files are gone or damaged
    removed: int  # files of an earlier export that are no longer labelled so

    @property
    def images(self) -> int:
        """How many images were written."""
        return sum(self.classes.values())

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"images": self.images, **vars(self)}


def export_folder(db: sqlite3.Connection, folder: Path, out: Path) -> Exported:
    """Write the labelled images of the inbox in `folder` below `out`, each file whole or not at all.

    Where `out` is a data set in parts, they go to the one that is trained on. Raises UsageError when nothing
    is labelled, StorageError when the disk refuses, DataError where it is not clear what `out` is.
    """
    root = training_folder(out)
    before = _written(root)
    now: list[str] = []
    classes: dict[str, int] = {}
    lost = 0
    try:
        make_folder(root)
        there = [path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
        spelling = {name.casefold(): name for name in there}
        for name, item, png in _labelled(db, folder):
            if png is None:
                lost += 1
                continue
            if (spelt := spelling.setdefault(name.casefold(), name)) != name:
                raise UsageError(
                    f"{root} has a class '{spelt}', and the inbox one '{name}': on some systems they are one "
                    "folder; rename one of them."
                )
            _write(root / name / f"{item.key}.png", png)
            now.append(f"{name}/{item.key}.png")
            classes[name] = classes.get(name, 0) + 1
        if not now:
            raise UsageError("No image of the inbox is labelled: label some, then export them.")
        if hasattr(os, "sync"):
            os.sync()  # all images are on the disk before the list says so; each by itself would take minutes
        gone = _remove(root, sorted(set(before) - set(now)))
        write_text(root / WRITTEN, json.dumps(sorted(now)) + "\n")
    except OSError as error:
        raise storage_error(root, error) from error
    return Exported(dict(sorted(classes.items())), lost, gone)


def export_zip(db: sqlite3.Connection, folder: Path, file: IO[bytes]) -> Exported:
    """Write the labelled images as a zip file to `file`. Raises UsageError when nothing is labelled."""
    classes: dict[str, int] = {}
    lost = 0
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:  # a PNG is compressed already
        for name, item, png in _labelled(db, folder):
            if png is None:
                lost += 1
                continue
            archive.writestr(zipfile.ZipInfo(f"{name}/{item.key}.png", _ZIP_TIME), png)
            classes[name] = classes.get(name, 0) + 1
    if not classes:
        raise UsageError("No image of the inbox is labelled: label some, then export them.")
    return Exported(dict(sorted(classes.items())), lost, 0)


def _labelled(db: sqlite3.Connection, folder: Path) -> Iterator[tuple[str, Item, bytes | None]]:
    """Yield labelled images with their class, which is checked again: the database may be another's."""
    items, _ = find_items(db, status="labelled", limit=-1)
    for item in sorted(items, key=lambda item: (item.label or "", item.key)):
        if not KEY.fullmatch(item.key):
            raise StorageError("The inbox is damaged: an image in it has no valid key.")
        yield class_name(item.label or ""), item, read_png(folder, item)


def _write(path: Path, png: bytes) -> None:
    """Write an image, unless it is there."""
    if path.is_file() and path.read_bytes() == png:
        return
    path.parent.mkdir(exist_ok=True)
    write_whole(path, png)


def _written(root: Path) -> list[str]:
    """Return what the last export wrote to `root`; nothing where its list is missing or no such list."""
    path = root / WRITTEN
    if not path.is_file():
        return []
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StorageError(f"{path} is damaged; delete it, and look for old files of the inbox.") from error
    return [entry for entry in found if isinstance(entry, str)] if isinstance(found, list) else []


def _remove(root: Path, entries: list[str]) -> int:
    removed = 0
    for entry in entries:
        name, _, file = entry.partition("/")
        try:
            own = class_name(name) == name and KEY.fullmatch(file.removesuffix(".png")) is not None
        except UsageError:
            own = False
        path = root / name / file
        if own and path.is_file() and not path.is_symlink():
            path.unlink()
            removed += 1
            with suppress(OSError):  # other images are in it
                path.parent.rmdir()
    return removed
