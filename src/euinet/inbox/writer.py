"""From predictions to the disk without making them wait: a short queue, and a thread that empties it.

`offer` costs microseconds and never fails. What cannot be kept (the queue is full, they come too fast, the
disk is full) is counted, said once, and forgotten: predictions go on.
"""

import sqlite3
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from euinet.errors import EuiNetError
from euinet.inbox.database import DATABASE, database_error, writing
from euinet.inbox.drift import EDGES, HOUR, Counts, add_counts, add_images, bin_of
from euinet.inbox.martingale import Placed, scales
from euinet.inbox.retention import HISTOGRAM_DAYS, Limits, outlived
from euinet.inbox.store import Entry, delete, keep, remove_files
from euinet.inbox.subject import Subject
from euinet.system.files import storage_error

QUEUE = 256  # images that wait; more at once are passed over
BATCH = 64  # images of one transaction
BEAT = 0.5  # seconds between two looks at the counts of p-values
REST = 10.0  # seconds until the disk is tried again
TIDY = 60.0  # seconds between two looks at what has outlived its days


class Writer:
    """The one thread of an inbox that keeps what is offered."""

    def __init__(
        self,
        folder: Path,
        db: sqlite3.Connection,
        lock: threading.RLock,
        limits: Limits,
        subject: Subject,
        warn: Callable[[str], None],
    ) -> None:
        """`lock` guards `db`, which others write to as well; `subject` answers what is counted."""
        self._folder, self._db, self._lock, self._limits = folder, db, lock, limits
        self._subject, self._warn = subject, warn
        self._scales = scales(subject.calibration) if subject.calibration else {}
        self._generator = np.random.default_rng()
        self._answers = {name: answer for answer, name in enumerate(subject.class_names)}
        self._waiting: deque[Entry] = deque()
        self._hours: dict[int, tuple[int, Counts]] = {}
        self._placed = Counter[Placed]()
        self._guard = threading.Lock()  # of the three above, the counters and the allowance
        self._allowance, self._allowed_at = float(QUEUE), time.monotonic()
        self._wake, self._stop = threading.Event(), threading.Event()
        self._busy = threading.Lock()  # one transaction at a time: who waits for `flush` finds all of it done
        self._tidied = 0.0
        self.counters = dict.fromkeys(("offered", "kept", "repeated", "passed_over", "failed"), 0)
        self.failure: str | None = None  # why the last write did not succeed; None: it did
        self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)
        self._thread.start()

    def count(self, row: Mapping[str, Any], at: float) -> None:
        """Count an answered image's p-value in its hour, and its place among the calibration scores."""
        if row["p_value"] is None:
            return
        hour, answer = int(at // HOUR), self._answers[row["best_class"]]
        scale = self._scales.get(answer)
        with self._guard:
            _, counts = entry = self._hours.get(hour) or (0, np.zeros(len(EDGES), np.int64))
            counts[bin_of(row["p_value"])] += 1
            self._hours[hour] = (entry[0] + bool(row["rejected"]), counts)
            if scale is not None:
                self._placed[answer, scale.place(row["ood_score"])] += 1

    def offer(self, entry: Entry) -> bool:
        """Take an image to be kept; False where too many come."""
        with self._guard:
            self.counters["offered"] += 1
            if len(self._waiting) >= QUEUE or not self._allow():
                self.counters["passed_over"] += 1
                return False
            self._waiting.append(entry)
        self._wake.set()
        return True

    def close(self) -> None:
        """Keep what waits, and end the thread."""
        self._stop.set()
        self._wake.set()
        self._thread.join(30)

    def flush(self) -> None:
        """Keep all that waits now. Raises StorageError when the disk refuses."""
        try:
            with self._busy:
                while self._write():
                    pass
        except OSError as error:
            raise storage_error(self._folder, error) from error
        except sqlite3.Error as error:
            raise database_error(self._folder / DATABASE, error) from error

    def _allow(self) -> bool:
        """Return whether the limit on images a second lets one more in."""
        now = time.monotonic()
        grown = self._allowance + self._limits.per_second * (now - self._allowed_at)
        self._allowance, self._allowed_at = min(float(QUEUE), grown), now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def _run(self) -> None:
        while True:
            stopping = self._stop.is_set()
            try:
                self.flush()
            except Exception as error:  # whatever it is, predictions go on
                self._failed(error)
                if not stopping:
                    self._stop.wait(REST)
            if stopping:
                return
            self._wake.wait(BEAT)
            self._wake.clear()

    def _failed(self, error: Exception) -> None:
        what = str(error) if isinstance(error, EuiNetError) else f"{type(error).__name__}: {error}"
        with self._guard:
            self.counters["failed"] += len(self._waiting)
            self._waiting.clear()
        if self.failure is None:
            self._warn(f"The inbox keeps nothing for now, predictions go on: {what}")
        self.failure = what

    def _write(self) -> bool:
        """Do one transaction's worth of what waits, and return whether there was any."""
        with self._guard:
            entries = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            hours, self._hours = self._hours, {}
            placed, self._placed = self._placed, Counter()
        now = time.time()
        tidy = now - self._tidied > TIDY
        if not (entries or hours or tidy):
            return False
        try:
            with self._lock:
                with writing(self._db):
                    kept = keep(self._db, self._folder, entries)
                    self._count(hours, placed, now)
                    gone = self._tidy(now) if tidy or kept.new else []
                remove_files(self._folder, gone)
        except BaseException:
            self._put_back(entries, hours, placed)
            raise
        with self._guard:
            self.failure = None
            self.counters["kept"] += kept.new
            self.counters["repeated"] += kept.repeated
        return True

    def _count(self, hours: dict[int, tuple[int, Counts]], placed: Counter[Placed], now: float) -> None:
        subject = self._subject
        for hour, (rejected, counts) in hours.items():
            add_counts(self._db, hour, subject.key, len(subject.calibration or ()), rejected, counts)
        if placed:
            names, generator = subject.class_names, self._generator
            add_images(self._db, subject.key, self._scales, names, placed, now, generator)

    def _tidy(self, now: float) -> list[str]:
        self._tidied = now
        oldest = int((now - 24 * HISTOGRAM_DAYS * HOUR) / HOUR)
        self._db.execute("DELETE FROM hours WHERE hour < ?", (oldest,))
        return delete(self._db, outlived(self._db, self._limits, now))

    def _put_back(
        self, entries: list[Entry], hours: dict[int, tuple[int, Counts]], placed: Counter[Placed]
    ) -> None:
        with self._guard:
            self._placed += placed
            self._waiting.extendleft(reversed(entries))
            for hour, (rejected, counts) in hours.items():
                since = self._hours.get(hour, (0, np.zeros(len(EDGES), np.int64)))
                self._hours[hour] = (since[0] + rejected, since[1] + counts)
