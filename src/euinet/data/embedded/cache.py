"""Features that were computed once: a file of rows that only grows, and an index that says whose they are.

    features/KEY/about.json  for people: which network, how images are read
    features/KEY/rows.f16    row after row, F numbers of 16 bits each
    features/KEY/index       a RECORD (index.py) for each row, written once the row is on the disk

KEY is a digest of the network and of how it wants images to be read, so nothing here ever becomes untrue;
throw the folder away to have the space back. Killed at any moment, it lacks the last rows at most: what is
torn has no record, or one that its check refuses, and is computed anew. Several processes may share it: each
appends under a lock, and takes over what others have added meanwhile.
"""

import hashlib
import json
import os
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from euinet.answers import Digests, IntArray
from euinet.data.embedded.embedder import Embedder
from euinet.data.embedded.index import RECORD, Contents, Index
from euinet.data.embedded.rows import FeatureRows
from euinet.data.sets.sources import data_root
from euinet.errors import StorageError, UsageError
from euinet.system.files import expanded, make_folder, storage_error, write_text
from euinet.system.lock import PATIENCE, lock_folder

FOLDER = "features"
ABOUT_FILE, ROWS_FILE, INDEX_FILE = "about.json", "rows.f16", "index"
NUMBER = np.dtype("<f2")
_RECORDS = 2**13  # read at a time
_FORMAT = 1  # of these files; another is another key


def features_folder(given: Path | None = None) -> Path:
    """Return where features are kept: in `given`, else in `EUINET_CACHE`, else in the data root."""
    from_environment = os.environ.get("EUINET_CACHE")
    root = data_root(given) if given is not None or not from_environment else expanded(from_environment)
    return root / FOLDER


def open_cache(embedder: Embedder, root: Path | None = None) -> "FeatureCache":
    """Return the cache of what `embedder` computes, below `features_folder(root)`. Raises StorageError."""
    about = {
        "network": embedder.digest,
        "width": embedder.width,
        "preprocessing": embedder.preprocessing.to_plain(),
        "format": _FORMAT,
    }
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]
    folder = features_folder(root) / key
    if not (folder / ABOUT_FILE).exists():
        write_text(folder / ABOUT_FILE, json.dumps(about, indent=2, sort_keys=True) + "\n")
    return FeatureCache(folder, embedder.width)


class FeatureCache:
    """The cache in one folder, of rows of `width` numbers. Raises StorageError where it cannot be read.

    One thread appends; several may ask what is known.
    """

    def __init__(self, folder: Path, width: int) -> None:
        self.folder, self.width = folder, width
        self._row_bytes = width * NUMBER.itemsize
        self._index, self._read_bytes = Index(), 0
        self._rows: BinaryIO | None = None
        self._reading = threading.Lock()
        self._refresh()

    def close(self) -> None:
        """Let the files go; rows that were given out stay."""
        with self._reading:
            if self._rows is not None:
                self._rows.close()
            self._rows = None

    def known(self, contents: Contents) -> tuple[IntArray, Digests]:
        """Return the rows of contents (n,), −1 where they are not known or damaged, and pixels' digests."""
        rows, pixels, checks = self._index.find(contents)
        for place in np.flatnonzero(rows >= 0):
            stored = self._stored(int(rows[place]))
            if len(stored) < self._row_bytes or _check(
                contents[place : place + 1], pixels[place : place + 1], rows[place], stored
            ) != int(checks[place]):
                rows[place] = -1
        return rows, pixels

    def append(self, contents: Contents, pixels: Digests, features: np.ndarray) -> IntArray:
        """Keep features (n, F), float16, of contents (n,) whose pixels have these digests; return their rows.

        What another process has added meanwhile is not added again. Raises StorageError when the file system
        refuses, UsageError when another process does not let the cache go.
        """
        with self._locked():
            self._refresh()
            rows, _ = self.known(contents)
            _, first = np.unique(contents, return_index=True)
            new = np.sort(first[rows[first] < 0])
            if len(new):
                self._write(contents[new], pixels[new], np.ascontiguousarray(features[new], NUMBER))
                self._refresh()
                rows, _ = self.known(contents)
        if (rows < 0).any():
            raise self._changed()
        return rows

    def rows(self, positions: IntArray) -> FeatureRows:
        """Return the rows at `positions` (N,), which stay in their file."""
        if not len(positions):
            return FeatureRows(np.empty((0, self.width), NUMBER), positions)
        with self._reading:
            file = self._opened()
            try:
                count = 0 if file is None else os.fstat(file.fileno()).st_size // self._row_bytes
                if file is None or count <= positions.max():
                    raise self._changed()
                return FeatureRows(np.memmap(file, NUMBER, "r", shape=(count, self.width)), positions)
            except OSError as error:
                raise _unreadable(self.folder / ROWS_FILE, error) from error

    def _changed(self) -> StorageError:
        return StorageError(f"{self.folder} was emptied or damaged while it was used: run the command again.")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = lock_folder(self.folder, PATIENCE)
        if lock is None:
            raise UsageError(
                f"Another command has kept {self.folder} locked for {PATIENCE:.0f} s: wait for its end, or "
                "set EUINET_CACHE to another folder."
            )
        try:
            yield
        finally:
            lock.release()

    def _refresh(self) -> None:
        """Read what has been added to the index since it was read."""
        path = self.folder / INDEX_FILE
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < self._read_bytes:
                    raise self._changed()
                file.seek(self._read_bytes)
                while len(content := file.read(_RECORDS * RECORD.itemsize)) >= RECORD.itemsize:
                    whole = len(content) // RECORD.itemsize * RECORD.itemsize
                    self._read_bytes += whole
                    self._index.add(np.frombuffer(content[:whole], RECORD))
        except FileNotFoundError:
            return
        except OSError as error:
            raise _unreadable(path, error) from error

    def _write(self, contents: Contents, pixels: Digests, features: np.ndarray) -> None:
        """Append rows, and when they are on the disk, their records."""
        row_path = self.folder / ROWS_FILE
        try:
            make_folder(self.folder)
            with row_path.open("ab") as file:
                first = -(-file.tell() // self._row_bytes)
                file.truncate(first * self._row_bytes)  # what a killed process left of a row is filled up
                file.write(features.tobytes())
                _to_disk(file)
            records = np.empty(len(contents), RECORD)
            records["content"], records["pixels"] = contents, pixels
            records["row"] = np.arange(first, first + len(contents))
            for place, row in enumerate(features):
                one = slice(place, place + 1)
                records["check"][place] = _check(contents[one], pixels[one], first + place, row.tobytes())
            with (self.folder / INDEX_FILE).open("ab") as file:
                file.truncate(file.tell() // RECORD.itemsize * RECORD.itemsize)
                file.write(records.tobytes())
                _to_disk(file)
        except OSError as error:
            raise storage_error(row_path, error) from error

    def _stored(self, row: int) -> bytes:
        with self._reading:
            file = self._opened()
            if file is None:
                return b""
            try:
                file.seek(row * self._row_bytes)
                return file.read(self._row_bytes)
            except OSError as error:
                raise _unreadable(self.folder / ROWS_FILE, error) from error

    def _opened(self) -> BinaryIO | None:
        """Return the file of rows, always the same one, were the folder emptied meanwhile; None: no such."""
        if self._rows is None:
            try:
                self._rows = (self.folder / ROWS_FILE).open("rb", buffering=0)
            except FileNotFoundError:
                return None
            except OSError as error:
                raise _unreadable(self.folder / ROWS_FILE, error) from error
        return self._rows


def _check(content: Contents, pixels: Digests, row: int | np.integer, stored: bytes) -> int:
    """Return the CRC-32 of a record and its row."""
    head = content.tobytes() + np.asarray(pixels, "<u8").tobytes() + int(row).to_bytes(4, "little")
    return zlib.crc32(stored, zlib.crc32(head))


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{path} cannot be read ({error.strerror or error}): make it readable, or set EUINET_CACHE to "
        "another folder."
    )
