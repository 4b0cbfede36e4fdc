"""Groups of alike images in the database: missing features, groups made anew, groups as they stand."""

import sqlite3
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from euinet.inbox.grouping import ALONE, SHOWN, Group, group_features, representatives, stable_ids

AT_A_TIME = 512  # images whose features are computed together
_NEXT, _GROUPED = "next_group", "grouped"  # names in the table meta
Features = npt.NDArray[np.floating[Any]]


def without_features(db: sqlite3.Connection, lock: threading.RLock, model: str) -> list[str]:
    """Return the keys of new images that this model has no features of."""
    with lock:
        rows = db.execute("SELECT key FROM items WHERE status = 'new' AND model IS NOT ?", (model,))
        return [key for (key,) in rows]


def save_features(
    db: sqlite3.Connection, keys: Sequence[str], features: Sequence[Features] | Features, model: str
) -> None:
    """Keep the features (N, F) of images, within `writing`."""
    for key, row in zip(keys, features, strict=True):
        blob = np.asarray(row, "<f4").tobytes()
        db.execute("UPDATE items SET features = ?, model = ? WHERE key = ?", (blob, model, key))


def pass_over(db: sqlite3.Connection, keys: Sequence[str], model: str) -> None:
    """Put images that this model cannot read with those unlike any other, within `writing`."""
    for key in keys:
        db.execute(
            "UPDATE items SET features = NULL, model = ?, cluster = ? WHERE key = ?", (model, ALONE, key)
        )


def regroup(db: sqlite3.Connection, model: str) -> None:
    """Group the new images of which there are features, within `writing`; not if they are last time's."""
    if _meta(db, _GROUPED) == _state(db, model):
        return
    rows = _rows(db, model)
    if rows:
        ids, after = stable_ids(
            group_features(_stacked(rows)), [row[1] for row in rows], int(_meta(db, _NEXT) or 1)
        )
        for (key, before, *_), group in zip(rows, ids.tolist(), strict=True):
            if before != group:
                db.execute("UPDATE items SET cluster = ? WHERE key = ?", (group, key))
        _set_meta(db, _NEXT, str(after))
    _set_meta(db, _GROUPED, _state(db, model))


def groups(db: sqlite3.Connection, model: str) -> list[Group]:
    """Return the groups of new images, the largest first, those unlike any other last."""
    members: dict[int, list[Any]] = {}
    for row in (*_rows(db, model), *_rows(db, model, "IS NULL")):
        if row[1] is not None:
            members.setdefault(row[1], []).append(row)
    found = [_group(number, rows) for number, rows in members.items()]
    return sorted(found, key=lambda group: (group.id == ALONE, -group.size, group.id))


def _group(number: int, rows: list[Any]) -> Group:
    with_features = [row for row in rows if row[2] is not None]
    shown = [with_features[at] for at in representatives(_stacked(with_features))] if with_features else rows
    return Group(
        id=number,
        size=len(rows),
        representatives=tuple(row[0] for row in shown[:SHOWN]),
        best_classes=dict(Counter(row[3] for row in rows).most_common()),
        first_seen=min(row[4] for row in rows),
        last_seen=max(row[5] for row in rows),
    )


def _rows(db: sqlite3.Connection, model: str, features: str = "IS NOT NULL") -> list[Any]:
    return db.execute(
        "SELECT key, cluster, features, best_class, first_seen, last_seen FROM items "
        f"WHERE status = 'new' AND model = ? AND features {features} ORDER BY id DESC",
        (model,),
    ).fetchall()


def _stacked(rows: Sequence[Any]) -> Features:
    return np.stack([np.frombuffer(row[2], "<f4") for row in rows])


def _state(db: sqlite3.Connection, model: str) -> str:
    """Return what differs when other images are to be grouped."""
    row = db.execute(
        "SELECT COUNT(*), SUM(id), SUM(cluster IS NULL) FROM items WHERE status = 'new' AND model = ?",
        (model,),
    ).fetchone()
    return f"{model} {row}"


def _meta(db: sqlite3.Connection, name: str) -> str | None:
    row = db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def _set_meta(db: sqlite3.Connection, name: str, value: str) -> None:
    db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (name, value))
