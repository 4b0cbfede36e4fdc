"""Images with what was answered for them and what people said of them: kept, found, labelled, deleted.

Each function does one thing to the database, and to the image files where they are concerned. A file is
written before its row and deleted after it, so that a row's image is there; what a killed process left
without a row is swept up later.
"""

import os
import re
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from euinet.inbox.database import IMAGES
from euinet.inbox.pictures import KEY_DIGITS, Pixels, from_png, image_key, to_png, write_whole

Status = Literal["new", "labelled", "nuisance"]
Source = Literal["predict", "drawing"]
KEY = re.compile(f"[0-9a-f]{{{KEY_DIGITS}}}")
ORPHAN_SECONDS = 600.0  # another process may be about to write the row of a younger file
_COLUMNS = (
    "key, name, source, first_seen, last_seen, seen, bytes, best_class, rejected, ood_score, p_value, "
    "status, label, cluster"
)


@dataclass(frozen=True)
class Entry:
    """An image to be kept, and what was answered for it."""

    pixels: Pixels  # (C, H, W), what the network read
    name: str
    source: Source
    at: float  # seconds since 1970
    best_class: str
    rejected: bool
    ood_score: float
    p_value: float | None


@dataclass(frozen=True)
class Item:
    """An image that is kept."""

    key: str
    name: str  # of the file that was sent, shortened
    source: Source
    first_seen: float  # seconds since 1970, UTC
    last_seen: float
    seen: int  # how often equal pixels came
    bytes: int
    best_class: str
    rejected: bool
    ood_score: float
    p_value: float | None
    status: Status
    label: str | None
    group: int | None  # of alike images; None: not grouped yet

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return dict(vars(self))


@dataclass(frozen=True)
class Kept:
    """What became of entries."""

    new: int
    repeated: int


def keep(db: sqlite3.Connection, folder: Path, entries: Sequence[Entry]) -> Kept:
    """Keep images that are not there yet, and count those that are; within `writing`.

    Raises OSError or sqlite3.Error when there is no space or no permission; then no file of them is left.
    """
    new: list[Path] = []
    try:
        for entry in entries:
            key = image_key(entry.pixels)
            seen = db.execute(
                "UPDATE items SET seen = seen + 1, last_seen = MAX(last_seen, ?) WHERE key = ?",
                (entry.at, key),
            )
            if seen.rowcount:
                continue
            path = image_path(folder, key)
            new.append(path)
            size = _write_png(path, entry.pixels)
            db.execute(
                "INSERT INTO items (key, name, source, first_seen, last_seen, bytes, best_class, rejected, "
                "ood_score, p_value) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(key, entry.name, entry.source, entry.at, entry.at, size),
                    *(entry.best_class, entry.rejected, entry.ood_score, entry.p_value),
                ),
            )
    except BaseException:
        for path in new:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise
    return Kept(len(new), len(entries) - len(new))


def image_path(folder: Path, key: str) -> Path:
    """Return where the image of `key` lies. Raises ValueError for what is no key."""
    if not KEY.fullmatch(key):
        raise ValueError(f"{key[:40]!r} is no image's key")
    return folder / IMAGES / f"{key}.png"


def find_items(
    db: sqlite3.Connection,
    *,
    status: Status | None = None,
    label: str | None = None,
    group: int | None = None,
    source: Source | None = None,
    offset: int = 0,
    limit: int = 100,
) -> tuple[list[Item], int]:
    """Return the newest of the images that fit, from `offset` on, and how many fit."""
    wanted = {"status": status, "label": label, "cluster": group, "source": source}
    given = {name: value for name, value in wanted.items() if value is not None}
    where = "".join(f" AND {name} = ?" for name in given)
    values = tuple(given.values())
    (total,) = db.execute(f"SELECT COUNT(*) FROM items WHERE 1{where}", values).fetchone()
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM items WHERE 1{where} ORDER BY last_seen DESC, id DESC LIMIT ? OFFSET ?",
        (*values, limit, offset),
    )
    return [_item(row) for row in rows], total


def find_item(db: sqlite3.Connection, key: str) -> Item | None:
    """Return one image by its key."""
    row = db.execute(f"SELECT {_COLUMNS} FROM items WHERE key = ?", (key,)).fetchone()
    return None if row is None else _item(row)


def read_png(folder: Path, item: Item) -> bytes | None:
    """Return an image's file; None where it was lost, by a power cut or by somebody's hand."""
    try:
        png = image_path(folder, item.key).read_bytes()
    except FileNotFoundError:
        return None
    return png if len(png) == item.bytes else None


def read_pixels(folder: Path, key: str) -> Pixels | None:
    """Return an image's pixels (C, H, W); None where its file is lost or damaged. Raises OSError."""
    try:
        png = image_path(folder, key).read_bytes()
    except FileNotFoundError:
        return None
    try:
        return from_png(png)
    except (OSError, ValueError, SyntaxError):  # as Pillow has it for a broken PNG
        return None


def delete(db: sqlite3.Connection, keys: Sequence[str]) -> list[str]:
    """Delete the rows of images, within `writing`, and return the keys of those that were there.

    Their files go afterwards, by `remove_files`: a row without its image must not come back.
    """
    return [key for key in keys if db.execute("DELETE FROM items WHERE key = ?", (key,)).rowcount]


def remove_files(folder: Path, keys: Sequence[str]) -> None:
    """Remove image files. Raises OSError, but for files that are gone already."""
    for key in keys:
        image_path(folder, key).unlink(missing_ok=True)


def sweep(db: sqlite3.Connection, folder: Path) -> int:
    """Remove files that no row names, left by killed processes, and return how many there were."""
    swept = 0
    there = {key for (key,) in db.execute("SELECT key FROM items")}
    with os.scandir(folder / IMAGES) as files:
        for file in files:
            with suppress(FileNotFoundError):  # another process sweeps too
                old = time.time() - file.stat(follow_symlinks=False).st_mtime > ORPHAN_SECONDS
                if old and file.name.partition(".")[0] not in there:
                    Path(file.path).unlink()
                    swept += 1
    return swept


def _write_png(path: Path, pixels: Pixels) -> int:
    """Write an image and return its bytes."""
    png = to_png(pixels)
    write_whole(path, png)
    return len(png)


def _item(row: tuple[Any, ...]) -> Item:
    values = dict(zip(Item.__annotations__, row, strict=True))
    values["rejected"] = bool(values["rejected"])
    return Item(**values)
