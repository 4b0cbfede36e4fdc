"""What people say of images, and taking it back. Each call is one action, done whole or not at all."""

import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass

from euinet.inbox.store import Status

MOST_ACTIONS = 200  # that can be taken back


@dataclass(frozen=True)
class Changed:
    """What an action did."""

    images: int
    what: str  # in words


def set_status(
    db: sqlite3.Connection, keys: Sequence[str], status: Status, label: str | None, what: str
) -> Changed:
    """Set status and label of images, within `writing`; those that are gone are passed over."""
    before = []
    for key in dict.fromkeys(keys):
        row = db.execute("SELECT key, status, label FROM items WHERE key = ?", (key,)).fetchone()
        if row is not None and row[1:] != (status, label):
            before.append(row)
            db.execute("UPDATE items SET status = ?, label = ? WHERE key = ?", (status, label, key))
    if before:
        db.execute(
            "INSERT INTO actions (at, what, before) VALUES (?, ?, ?)", (time.time(), what, json.dumps(before))
        )
        db.execute("DELETE FROM actions WHERE id <= (SELECT MAX(id) FROM actions) - ?", (MOST_ACTIONS,))
    return Changed(len(before), what)


def undo(db: sqlite3.Connection) -> Changed | None:
    """Take the last action back, within `writing`; None when there is none. Deleted images stay deleted."""
    row = db.execute("SELECT id, what, before FROM actions ORDER BY id DESC LIMIT 1").fetchone()
    if row is None:
        return None
    number, what, before = row
    changed = 0
    for key, status, label in json.loads(before):
        done = db.execute("UPDATE items SET status = ?, label = ? WHERE key = ?", (status, label, key))
        changed += done.rowcount
    db.execute("DELETE FROM actions WHERE id = ?", (number,))
    return Changed(changed, what)


def last_action(db: sqlite3.Connection) -> str | None:
    """Return in words what `undo` would take back."""
    row = db.execute("SELECT what FROM actions ORDER BY id DESC LIMIT 1").fetchone()
    return None if row is None else str(row[0])


def label_counts(db: sqlite3.Connection) -> dict[str, int]:
    """Return how many images have each label, in alphabetical order."""
    rows = db.execute(
        "SELECT label, COUNT(*) FROM items WHERE status = 'labelled' GROUP BY label ORDER BY label"
    )
    return {str(label): int(count) for label, count in rows}
