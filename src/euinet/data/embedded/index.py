"""Which row of a cache holds the features of a content: records sorted in memory, 32 bytes an image."""

import hashlib

import numpy as np

from euinet.answers import Digests, IntArray

CONTENT = np.dtype("S16")  # of a content: compared byte by byte, trailing zeros included
RECORD = np.dtype([("content", CONTENT), ("pixels", "<u8"), ("row", "<u4"), ("check", "<u4")])
"""What the cache's index file holds for a row: the digests of its content and of its pixels (data/split/
fingerprint.py), its number, and the CRC-32 of all these and of its bytes."""
_REST = np.dtype([("pixels", "<u8"), ("row", "<u4"), ("check", "<u4")])

Contents = np.ndarray
"""Digests of contents, (N,) of kind CONTENT."""


def content_digest(content: bytes) -> bytes:
    """Return the 16 bytes that tell a file's content from every other."""
    return hashlib.blake2b(content, digest_size=CONTENT.itemsize).digest()


class Index:
    """Records by content; of two for one the later holds. Threads may look up while one of them adds."""

    def __init__(self) -> None:
        self._sorted = np.empty(0, CONTENT), np.empty(0, _REST)

    def __len__(self) -> int:
        return len(self._sorted[0])

    def add(self, records: np.ndarray) -> None:
        """Take records (n,) of kind RECORD in."""
        contents, last = np.unique(records["content"][::-1], return_index=True)
        rest = records[::-1][list(_REST.names or ())][last].astype(_REST)
        keys, values = self._sorted
        places, there = _places(keys, contents)
        if there.any():
            values = values.copy()
            values[places[there]] = rest[there]
        new = ~there
        self._sorted = (
            np.insert(keys, places[new], contents[new]),
            np.insert(values, places[new], rest[new]),
        )

    def find(self, contents: Contents) -> tuple[IntArray, Digests, np.ndarray]:
        """Return for contents (n,) their rows, −1 where there is none, pixels' digests, and checks."""
        keys, values = self._sorted
        if not len(keys):
            nothing = np.zeros(len(contents), np.uint64)
            return np.full(len(contents), -1), nothing, nothing.astype(np.uint32)
        places, there = _places(keys, contents)
        found = values[np.minimum(places, len(keys) - 1)]
        return np.where(there, found["row"].astype(np.int64), -1), found["pixels"], found["check"]


def _places(keys: Contents, contents: Contents) -> tuple[IntArray, np.ndarray]:
    """Return where contents stand in sorted keys, or would, and whether they do."""
    places = np.searchsorted(keys, contents)
    if not len(keys):
        return places, np.zeros(len(contents), np.bool_)
    return places, keys[np.minimum(places, len(keys) - 1)] == contents
