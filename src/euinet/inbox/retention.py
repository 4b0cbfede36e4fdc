"""How much is kept and for how long, and what goes first."""

import json
import sqlite3
from dataclasses import dataclass

from euinet.errors import UsageError

DAY = 86_400.0  # seconds
HISTOGRAM_DAYS = 400  # of the p-values' hourly counts, which hold no image
_LIMITS = "limits"  # name in the table meta

# Who goes first when there is too much: nuisances, then what nobody has looked at, labelled ones last.
_ORDER = "CASE status WHEN 'nuisance' THEN 0 WHEN 'new' THEN 1 ELSE 2 END, last_seen, id"


@dataclass(frozen=True)
class Limits:
    """What an inbox may hold. An image's days count from when it, or an equal one, was last seen."""

    images: int = 5_000
    megabytes: float = 200.0  # of image files; 10⁶ bytes
    days: float = 30.0  # for what nobody has labelled, and nuisances
    labelled_days: float = 365.0  # for labelled ones, which are somebody's work
    per_second: float = 20.0  # new images kept, on average; what comes faster is counted only

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise UsageError(f"The inbox's limit {name} is {value}, but must be above 0.")


def stored_limits(db: sqlite3.Connection) -> Limits:
    """Return the limits that were set for an inbox, else the usual ones. Raises UsageError if damaged."""
    row = db.execute("SELECT value FROM meta WHERE name = ?", (_LIMITS,)).fetchone()
    if row is None:
        return Limits()
    try:
        found = json.loads(row[0])
        return Limits(**{name: type(usual)(found[name]) for name, usual in vars(Limits()).items()})
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError("The inbox's limits are damaged: set them with `euinet inbox limits`.") from error


def store_limits(db: sqlite3.Connection, limits: Limits) -> None:
    """Keep limits in an inbox, for who opens it next."""
    db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (_LIMITS, json.dumps(vars(limits))))


def outlived(db: sqlite3.Connection, limits: Limits, now: float) -> list[str]:
    """Return the keys of images that the limits no longer allow, oldest first of each kind."""
    rows = db.execute(
        "SELECT key FROM items WHERE last_seen < CASE status WHEN 'labelled' THEN ? ELSE ? END",
        (now - DAY * limits.labelled_days, now - DAY * limits.days),
    )
    keys = [key for (key,) in rows]
    count, size = db.execute("SELECT COUNT(*), COALESCE(SUM(bytes), 0) FROM items").fetchone()
    if count - len(keys) <= limits.images and size <= 1e6 * limits.megabytes:
        return keys
    gone = set(keys)
    count -= len(keys)
    size -= sum(db.execute("SELECT bytes FROM items WHERE key = ?", (key,)).fetchone()[0] for key in keys)
    for key, own in db.execute(f"SELECT key, bytes FROM items ORDER BY {_ORDER}"):
        if count <= limits.images and size <= 1e6 * limits.megabytes:
            break
        if key not in gone:
            keys.append(key)
            count, size = count - 1, size - own
    return keys
