"""An inbox: everything about the rejected images of one server, behind one class."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from euinet.answers import Answer
from euinet.errors import StorageError, UsageError
from euinet.inbox import drift, export, grouped, labels, store
from euinet.inbox.database import DATABASE, database_error, open_database, reading, writing
from euinet.inbox.grouping import Group
from euinet.inbox.labels import Changed
from euinet.inbox.names import class_name, shown_name
from euinet.inbox.pictures import Pixels, image_key
from euinet.inbox.retention import Limits, stored_limits
from euinet.inbox.store import Entry, Item, Source
from euinet.inbox.subject import Subject
from euinet.inbox.writer import Writer
from euinet.model.model import Model
from euinet.system.files import expanded, storage_error
from euinet.system.words import counted


class Inbox:
    """Rejected images in a folder: offered by a server, looked at by people. Safe to use from many threads.

    Opened with `open`, closed with `close`. Only `offer` is for the way of a prediction; all else may wait
    for the disk.
    """

    def __init__(self, folder: Path, db: sqlite3.Connection, subject: Subject, limits: Limits) -> None:
        self.folder, self.subject, self.limits = folder, subject, limits
        self._db, self._lock = db, threading.RLock()
        self._grouping = threading.Lock()
        self._writer: Writer

    @staticmethod
    def open(
        folder: str | Path,
        model: Model | Subject,
        limits: Limits | None = None,
        warn: Callable[[str], None] = lambda sentence: None,
    ) -> Inbox:
        """Open the inbox in `folder`, made if there is none, for the answers of `model`.

        `limits`: those that were set by `euinet inbox limits` unless others are given.
        `warn` is told, once each time, when the inbox cannot keep what it is offered. Raises StorageError
        when the folder cannot be written, UsageError when a newer euinet made it.
        """
        place = expanded(folder)
        subject = model if isinstance(model, Subject) else Subject.of(model)
        db = open_database(place)
        try:
            inbox = Inbox(place, db, subject, limits or stored_limits(db))
            store.sweep(db, place)
        except sqlite3.Error as error:
            raise database_error(place / DATABASE, error) from error
        except OSError as error:
            raise StorageError(
                f"The images of the inbox {place} cannot be read ({error.strerror})."
            ) from error
        inbox._writer = Writer(place, db, inbox._lock, inbox.limits, subject, warn)
        return inbox

    def offer(self, pixels: Pixels, answer: Answer | Mapping[str, Any], name: str = "") -> bool:
        """Take note of an answered image, and keep it if it was rejected. Costs microseconds; never raises.

        `pixels`: uint8 (C, H, W), what the network read, copied here. `answer`: an Answer, or a row with its
        fields. Returns whether it will be kept (or is kept already); what goes wrong is counted.
        """
        try:
            row = answer.to_plain() if isinstance(answer, Answer) else answer
            at = time.time()
            self._writer.count(row, at)
            return bool(row["rejected"]) and self._writer.offer(self._entry(pixels, row, name, "predict", at))
        except Exception:  # a prediction must not fail for its inbox
            self._writer.counters["failed"] += 1
            return False

    def keep(self, pixels: Pixels, name: str = "") -> Item:
        """Keep an image that somebody wants kept, rejected or not, and return it.

        `pixels`: uint8, (C, H, W) as the model reads it; answered here. Raises UsageError for another shape,
        StorageError when the disk refuses.
        """
        self._check(pixels)
        row = self.subject.answer(pixels).to_plain()
        entry = self._entry(pixels, row, name, "drawing", time.time())
        with self._writing():
            store.keep(self._db, self.folder, [entry])
        found = self.item(image_key(pixels))
        if found is None:
            raise StorageError("The image was deleted the moment it was kept: the inbox is too small.")
        return found

    def items(self, **filters: Any) -> tuple[list[Item], int]:
        """Return the newest images that fit (see `store.find_items`), and how many fit."""
        with reading(self.folder) as db:
            return store.find_items(db, **filters)

    def item(self, key: str) -> Item | None:
        """Return one image by its key."""
        with reading(self.folder) as db:
            return store.find_item(db, key)

    def png(self, key: str) -> bytes | None:
        """Return an image's PNG; None where there is none of this key."""
        found = self.item(key)
        return None if found is None else store.read_png(self.folder, found)

    def groups(self) -> list[Group]:
        """Return the groups of new images, the largest first; those unlike any other come last.

        Features that are missing are computed, and groups made anew if images came or went. Group ids last.
        """
        with self._grouping:
            missing = grouped.without_features(self._db, self._lock, self.subject.key)
            for start in range(0, len(missing), grouped.AT_A_TIME):
                self._add_features(missing[start : start + grouped.AT_A_TIME])
            with self._writing():
                grouped.regroup(self._db, self.subject.key)
        with reading(self.folder) as db:
            return grouped.groups(db, self.subject.key)

    def label(self, keys: Sequence[str], name: str) -> Changed:
        """Say of images that they are of class `name`. Raises UsageError for what cannot be such a name."""
        with self._writing():
            used = labels.label_counts(self._db)
            known = [one for one in self.subject.class_names if one not in used]
            chosen = class_name(name, [*used, *known])
            what = f"labelled {counted(len(set(keys)), 'image')} '{chosen}'"
            return labels.set_status(self._db, keys, "labelled", chosen, what)

    def mark_nuisance(self, keys: Sequence[str]) -> Changed:
        """Say of images that nobody need look at them again."""
        with self._writing():
            what = f"marked {counted(len(set(keys)), 'image')} as nuisance"
            return labels.set_status(self._db, keys, "nuisance", None, what)

    def undo(self) -> Changed | None:
        """Take the last label or nuisance back; None when there is none. Deleted images stay deleted."""
        with self._writing():
            return labels.undo(self._db)

    def delete(self, keys: Sequence[str]) -> int:
        """Delete images for good, files and all, and return how many there were."""
        try:
            with self._lock:  # held on: nobody keeps an equal image between the two
                with self._writing():
                    gone = store.delete(self._db, list(dict.fromkeys(keys)))
                store.remove_files(self.folder, gone)
        except OSError as error:
            raise StorageError(
                f"{len(gone)} images were taken out of the inbox, but their files could not all be removed "
                f"({error.strerror}); they go when it is opened next."
            ) from error
        return len(gone)

    def keys_of_group(self, group: int) -> list[str]:
        """Return the keys of a group's new images."""
        items, _ = self.items(group=group, status="new", limit=-1)
        return [item.key for item in items]

    def export_zip(self, file: IO[bytes]) -> export.Exported:
        """Write the labelled images to `file` as a zip of class folders. Raises UsageError without any."""
        with reading(self.folder) as db:
            return export.export_zip(db, self.folder, file)

    def drift(self) -> dict[str, Any]:
        """Return the hours and days of p-values, and whether they raise an alarm, as plain values."""
        with reading(self.folder) as db:
            return drift.report(db, time.time(), self.subject.alpha, bool(self.subject.calibration))

    def summary(self) -> dict[str, Any]:
        """Return counts, labels, limits and counters as plain values."""
        with reading(self.folder) as db:
            found = summary_of(db)
        return found | {
            "class_names": list(self.subject.class_names),
            "limits": dict(vars(self.limits)),
            "counters": self.counters(),
            "failure": self._writer.failure,
        }

    def counters(self) -> dict[str, int]:
        """Return what became of rejected images: offered, kept, repeated, passed_over, failed."""
        return dict(self._writer.counters)

    def flush(self) -> None:
        """Keep now what waits. Raises StorageError when the disk refuses."""
        self._writer.flush()

    def close(self) -> None:
        """Keep what waits, and give the folder free."""
        self._writer.close()
        with self._lock:
            self._db.close()

    def _add_features(self, keys: Sequence[str]) -> None:
        """Compute the features of images; rows whose files are lost go."""
        try:
            read = {key: store.read_pixels(self.folder, key) for key in keys}
        except OSError as error:
            raise storage_error(self.folder, error) from error
        there = {key: pixels for key, pixels in read.items() if pixels is not None}
        fitting = [key for key, pixels in there.items() if pixels.shape == self.subject.shape]
        features = self.subject.features(np.stack([there[key] for key in fitting])) if fitting else ()
        sound = {key: row for key, row in zip(fitting, features, strict=True) if np.isfinite(row).all()}
        with self._writing():
            grouped.save_features(self._db, [*sound], [*sound.values()], self.subject.key)
            grouped.pass_over(self._db, sorted(set(there) - set(sound)), self.subject.key)
            store.delete(self._db, sorted(set(read) - set(there)))

    def _check(self, pixels: Any) -> None:
        kind, shape = getattr(pixels, "dtype", type(pixels).__name__), getattr(pixels, "shape", "unknown")
        if not isinstance(pixels, np.ndarray) or kind != np.uint8 or shape != self.subject.shape:
            raise UsageError(
                f"The image is {kind} of shape {shape}, but the model reads uint8 of shape "
                f"{self.subject.shape} (channels, height, width), an array of NumPy."
            )

    def _entry(self, pixels: Pixels, row: Mapping[str, Any], name: str, source: Source, at: float) -> Entry:
        self._check(pixels)
        p_value = row["p_value"]
        return Entry(
            pixels=pixels.copy(),
            name=shown_name(name),
            source=source,
            at=at,
            best_class=str(row["best_class"]),
            rejected=bool(row["rejected"]),
            ood_score=float(row["ood_score"]),
            p_value=None if p_value is None else float(p_value),
        )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with self._lock, writing(self._db):
                yield
        except sqlite3.Error as error:
            raise database_error(self.folder / DATABASE, error) from error


def summary_of(db: sqlite3.Connection) -> dict[str, Any]:
    """Return how many images there are of each kind, and of each label, as plain values."""
    counts = dict.fromkeys(("new", "labelled", "nuisance"), 0)
    for status, count in db.execute("SELECT status, COUNT(*) FROM items GROUP BY status"):
        counts[status] = count
    size, oldest = db.execute("SELECT COALESCE(SUM(bytes), 0), MIN(first_seen) FROM items").fetchone()
    return {
        "images": sum(counts.values()),
        **counts,
        "bytes": size,
        "oldest": oldest,
        "labels": labels.label_counts(db),
        "last_action": labels.last_action(db),
    }
