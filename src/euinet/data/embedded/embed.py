"""One pass over images: what the cache does not know is decoded, seen by the network, and kept.

Interrupted at any moment, it goes on where it stopped: what was computed until then is in the cache.
"""

import time
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from euinet.answers import Digests, IntArray
from euinet.data.embedded.cache import NUMBER, FeatureCache
from euinet.data.embedded.contents import Content
from euinet.data.embedded.embedder import Embedder
from euinet.data.embedded.reading import Block, read_blocks
from euinet.data.sets.left_out import NotUsed
from euinet.system.notify import Notify
from euinet.system.progress import Progress
from euinet.system.words import printable

BATCH = 32  # images a pass of the network
_KEEP_ROWS, _KEEP_SECONDS = 512, 10.0  # computed before they are brought to the disk
NOT_THERE = -1


class Embedded(NamedTuple):
    """Where the features of N images are."""

    rows: IntArray  # (N,) in the cache; NOT_THERE for an image that is left out
    digests: Digests  # (N,) of their pixels


def embed_contents(
    contents: Iterable[Content],
    count: int,
    embedder: Embedder,
    cache: FeatureCache,
    not_used: NotUsed,
    progress: Notify,
    workers: int | None = None,
) -> Embedded:
    """Return where in the cache the features of `count` images are, once all are there.

    `not_used` is told of images that are broken, and of those whose features are no finite numbers of 16
    bits; `progress` how far it is. Raises StorageError when the cache cannot be written.
    """
    work = _Pass(count, embedder, cache, not_used, progress)
    try:
        for block in read_blocks(iter(contents), embedder.preprocessing, cache.known, workers):
            work.take(block)
        work.compute(1)
    finally:  # also when it is interrupted: what was computed stays
        work.keep()
    return Embedded(work.rows, work.digests)


class _Pass:
    """Images on their way: read and waiting for the network, then computed and waiting for the disk."""

    def __init__(
        self, count: int, embedder: Embedder, cache: FeatureCache, not_used: NotUsed, progress: Notify
    ) -> None:
        self.rows, self.digests = np.full(count, NOT_THERE, np.int64), np.zeros(count, np.uint64)
        self._embedder, self._cache, self._not_used = embedder, cache, not_used
        self._done, self._count, self._tell = 0, count, progress
        self._progress: Progress | None = None  # from the first image on that must be computed
        self._read: list[Block] = []
        self._computed: list[tuple[Block, np.ndarray, np.ndarray]] = []  # which of a block, and its features
        self._kept = time.monotonic()

    def take(self, block: Block) -> None:
        """Take in what was read; compute and keep when there is enough."""
        self.rows[block.known], self.digests[block.known] = block.known_rows, block.known_digests
        for _, why in block.broken:
            self._not_used.add_broken(why)
        self._done += len(block.known) + len(block.broken)
        if len(block.positions):
            self._progress = self._progress or Progress(self._count, self._tell, self._done)
            self._read.append(block)
            self.compute(BATCH)
        if self._progress is not None:
            self._progress.show(self._done)

    def compute(self, least: int) -> None:
        """Have the network see what was read, BATCH images a pass, while at least so many wait."""
        while sum(len(block.positions) for block in self._read) >= least:
            blocks, self._read = self._read, []
            pixels = np.concatenate([block.pixels for block in blocks])
            features = self._embedder.embed(pixels)
            start = 0
            for block in blocks:
                self._finish(block, features[start : start + len(block.positions)])
                start += len(block.positions)
        waiting = sum(len(features) for _, _, features in self._computed)
        if waiting >= _KEEP_ROWS or (waiting and time.monotonic() - self._kept > _KEEP_SECONDS):
            self.keep()

    def _finish(self, block: Block, features: np.ndarray) -> None:
        with np.errstate(over="ignore"):
            numbers = features.astype(NUMBER)
        finite = np.isfinite(numbers).all(axis=1)
        for place in np.flatnonzero(~finite):
            name = printable(block.names[int(place)])
            self._not_used.add_broken(
                f"{name} has features that are no finite numbers of 16 bits: take it out."
            )
        self._computed.append((block, np.flatnonzero(finite), numbers[finite]))
        self._done += len(block.positions)

    def keep(self) -> None:
        """Bring what was computed to the cache."""
        computed, self._computed, self._kept = self._computed, [], time.monotonic()
        if not computed:
            return
        positions, contents, digests = (
            np.concatenate([getattr(block, name)[good] for block, good, _ in computed])
            for name in ("positions", "contents", "digests")
        )
        features = np.concatenate([numbers for _, _, numbers in computed])
        if len(features):
            self.rows[positions] = self._cache.append(contents, digests, features)
            self.digests[positions] = digests
