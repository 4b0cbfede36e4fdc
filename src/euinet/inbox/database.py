"""The SQLite file: its tables, its version, and connections that several threads and processes may hold.

WAL: readers never wait for the writer, and a process that is killed in the middle of a write leaves the
database as it was before it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from euinet.errors import StorageError, UsageError
from euinet.system.files import make_folder, storage_error

DATABASE = "inbox.sqlite3"
IMAGES = "images"
SCHEMA_VERSION = 1
PATIENCE = 5.0  # seconds that one writer waits for another

_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE items (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,              -- of the pixels (pictures.py); names the image file
    name TEXT NOT NULL,                    -- of the file that was sent, shortened
    source TEXT NOT NULL CHECK (source IN ('predict', 'drawing')),
    first_seen REAL NOT NULL,              -- seconds since 1970, UTC
    last_seen REAL NOT NULL,
    seen INTEGER NOT NULL DEFAULT 1,       -- how often equal pixels came
    bytes INTEGER NOT NULL,                -- of the image file
    best_class TEXT NOT NULL,
    rejected INTEGER NOT NULL,
    ood_score REAL NOT NULL,
    p_value REAL,
    status TEXT NOT NULL DEFAULT 'new' CHECK (status IN ('new', 'labelled', 'nuisance')),
    label TEXT CHECK ((label IS NULL) = (status <> 'labelled')),
    features BLOB,                         -- float32, little endian; of the network that `model` names
    model TEXT,
    cluster INTEGER                        -- the group of alike images
);
CREATE INDEX items_status ON items (status, last_seen);
CREATE INDEX items_cluster ON items (cluster);
CREATE TABLE actions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    what TEXT NOT NULL,                    -- in words
    before TEXT NOT NULL                   -- JSON: [[key, status, label], …] as they were
);
CREATE TABLE hours (
    hour INTEGER NOT NULL,                 -- since 1970, UTC
    model TEXT NOT NULL,
    calibration_images INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    counts TEXT NOT NULL,                  -- JSON: images a bin of p (drift.py)
    PRIMARY KEY (hour, model)
) WITHOUT ROWID;
"""


def open_database(folder: Path) -> sqlite3.Connection:
    """Open the inbox in `folder` to write, and make it if there is none.

    Raises StorageError when it cannot be written or is damaged, UsageError when a newer euinet made it.
    """
    path = folder / DATABASE
    try:
        make_folder(folder / IMAGES)
        db = sqlite3.connect(path, PATIENCE, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode = WAL")
        prepare(db)
        with writing(db):
            _make_or_check(db, folder)
    except OSError as error:
        raise storage_error(path, error) from error
    except sqlite3.Error as error:
        raise database_error(path, error) from error
    return db


@contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection that only reads, for a moment, beside whoever writes.

    Raises UsageError when there is no inbox, StorageError when it is damaged.
    """
    path = folder / DATABASE
    if not path.is_file():
        raise UsageError(
            f"There is no inbox in {folder}: `euinet serve --inbox {folder}` makes one, and keeps rejected "
            "images in it."
        )
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", PATIENCE, uri=True)) as db:
            _check_version(db, folder)
            yield db
    except sqlite3.Error as error:
        raise database_error(path, error) from error


@contextmanager
def writing(db: sqlite3.Connection) -> Iterator[None]:
    """Do all of the block or nothing of it, alone among writers."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def prepare(db: sqlite3.Connection) -> None:
    """Set what holds for one connection."""
    db.execute("PRAGMA synchronous = NORMAL")  # with WAL: a power cut may cost the last writes, nothing else
    db.execute("PRAGMA secure_delete = ON")  # what is deleted is not left readable in the file
    db.execute("PRAGMA trusted_schema = OFF")  # a database made by somebody else runs no code of its own


def database_error(path: Path, error: sqlite3.Error) -> StorageError:
    """Return the sentence for an error of SQLite."""
    text = " ".join(str(error).split())[:200]
    if "full" in text:
        return StorageError(f"No space is left to write {path}; free some and run the command again.")
    if "readonly" in text or "unable to open" in text:
        return StorageError(f"{path} cannot be opened ({text}); choose a folder that you can write to.")
    return StorageError(f"The inbox {path} cannot be used ({text}); move it away to begin a new one.")


def _make_or_check(db: sqlite3.Connection, folder: Path) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == 0:
        for statement in _SCHEMA.split(";\n"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        return
    _check_version(db, folder)


def _check_version(db: sqlite3.Connection, folder: Path) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version != SCHEMA_VERSION:
        raise UsageError(
            f"The inbox in {folder} has format {version}, this version of euinet reads {SCHEMA_VERSION}; use "
            "the version that made it, or another folder."
        )
