"""Contents become pixels ahead of the network that waits for them: several threads, some images at a time.

Threads, for Pillow decodes and resizes without Python's lock (two on two cores: 1.8 times one's images a
second), and what they decode need not be sent from one process to another. What is in memory depends on the
number of threads, and not on the number of images.
"""

import io
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np

from euinet.answers import Digests, IntArray, PixelArray
from euinet.data.embedded.contents import Content
from euinet.data.embedded.index import CONTENT, content_digest
from euinet.data.embedded.index import Contents as ContentDigests
from euinet.data.split.fingerprint import image_digests
from euinet.errors import DataError
from euinet.images.preprocessing import Preprocessing

BLOCK = 8  # images that a thread reads in one go
_AHEAD = 8  # blocks that are ready beside those being read: a pass of the network takes some at once

Known = Callable[[ContentDigests], tuple[IntArray, Digests]]
"""Says of contents (n,) their rows in a cache, −1 where there is none, and the digests of their pixels."""


@dataclass(frozen=True, eq=False)
class Block:
    """Images that were read together: those to compute, those whose features are known, and broken ones."""

    positions: IntArray  # (n,) among all images, of those to compute
    names: Sequence[str]  # (n,) what sentences call these
    contents: ContentDigests  # (n,)
    digests: Digests  # (n,) of their pixels
    pixels: PixelArray  # (n, C, S, S)
    known: IntArray  # (m,) positions
    known_rows: IntArray  # (m,) in the cache
    known_digests: Digests  # (m,)
    broken: Sequence[tuple[int, str]]  # position and why, a sentence


class _Named(io.BytesIO):
    """Bytes that sentences can call by a name."""

    name = ""


def default_workers() -> int:
    """Return how many threads read: one for each core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_blocks(
    contents: Iterator[Content], preprocessing: Preprocessing, known: Known, workers: int | None = None
) -> Iterator[Block]:
    """Yield all images in their order, decoded where their features are not `known`.

    Of a broken one the sentence that says why. When the caller stops early, what is being read is read to
    its end and thrown away.
    """
    threads = workers or default_workers()
    places, waiting = enumerate(contents), deque[Future[Block]]()
    pool = ThreadPoolExecutor(threads, "reading")
    try:
        while chunk := list(islice(places, BLOCK)):
            waiting.append(pool.submit(_read, chunk, preprocessing, known))
            if len(waiting) >= threads + _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def why_broken(content: Content, preprocessing: Preprocessing) -> str | None:
    """Return why an image cannot be read, a sentence; None where it can."""
    try:
        _pixels(content.name, content.read(), preprocessing)
    except DataError as error:
        return str(error)
    return None


def _pixels(name: str, stored: bytes, preprocessing: Preprocessing) -> PixelArray:
    file = _Named(stored)
    file.name = name
    return preprocessing.read(file).pixels


def _read(chunk: Sequence[tuple[int, Content]], preprocessing: Preprocessing, known: Known) -> Block:
    broken: list[tuple[int, str]] = []
    read: list[tuple[int, Content, bytes]] = []
    for position, content in chunk:
        try:
            read.append((position, content, content.read()))
        except DataError as error:
            broken.append((position, str(error)))
    contents = np.array([content_digest(stored) for _, _, stored in read], CONTENT)
    rows, digests = known(contents)
    places, pixels = [], []
    for place in np.flatnonzero(rows < 0):
        position, content, stored = read[place]
        try:
            pixels.append(_pixels(content.name, stored, preprocessing))
            places.append(place)
        except DataError as error:
            broken.append((position, str(error)))
    positions, found = np.array([position for position, _, _ in read], np.int64), rows >= 0
    side = preprocessing.image_size
    stacked = np.stack(pixels) if pixels else np.empty((0, preprocessing.channels, side, side), np.uint8)
    new = np.array(places, np.int64)
    return Block(
        positions[new],
        [read[place][1].name for place in places],
        contents[new],
        image_digests(stacked),
        stacked,
        positions[found],
        rows[found],
        digests[found],
        sorted(broken),
    )
