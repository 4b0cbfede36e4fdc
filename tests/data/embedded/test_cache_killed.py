"""The pass over images as a process of its own: killed without warning (SIGKILL), and two at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from embedders import MeanEmbedder, make_folder, values
from euinet.data.embedded.cache import INDEX_FILE, ROWS_FILE
from euinet.data.embedded.dataset import embed_dataset
from euinet.data.embedded.index import RECORD

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")

IMAGES = 240  # fewer than colours
PROGRAM = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from embedders import MeanEmbedder
from euinet.data.embedded import embed
from euinet.data.embedded.dataset import embed_dataset

embed._KEEP_ROWS = 1  # each pass of the network goes to the disk

class Slow(MeanEmbedder):
    def embed(self, pixels):
        time.sleep(0.05)
        return super().embed(pixels)

embedder = Slow()
embed_dataset(sys.argv[1], embedder, workers=2)
print(embedder.seen)
"""


def start(folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)], stdout=subprocess.PIPE, text=True, env=environment
    )


def kept(cache: Path) -> int:
    """How many rows have a record."""
    return sum(path.stat().st_size // RECORD.itemsize for path in cache.glob(f"*/{INDEX_FILE}"))


def test_killed_again_and_again_it_loses_a_pass_at_most(tmp_path: Path, cache: Path) -> None:
    folder = make_folder(tmp_path / "data", "", count=IMAGES // 2)
    for least in (1, 80, 150):
        process = start(folder)
        while kept(cache) < least:
            assert process.poll() is None
            time.sleep(0.002)
        process.kill()
        process.communicate()
        assert least <= kept(cache) < IMAGES
    before, embedder = kept(cache), MeanEmbedder()
    found = embed_dataset(folder, embedder)
    assert embedder.seen == IMAGES - before
    assert sorted(values(found.train.images) + values(found.test.images)) == list(range(IMAGES))
    means = np.concatenate([np.asarray(part.images) for part in (found.train, found.test)])
    assert (means[:, 0] == means[:, 3]).all()  # each row whole, and of one image


def test_two_processes_share_a_cache(tmp_path: Path, cache: Path) -> None:
    folder = make_folder(tmp_path / "data", "", count=IMAGES // 2)
    both = [start(folder), start(folder)]
    seen = [int(process.communicate(timeout=60)[0]) for process in both]
    assert max(seen) <= IMAGES
    assert kept(cache) == IMAGES  # what both computed is kept once
    (rows,) = cache.glob(f"*/{ROWS_FILE}")
    assert rows.stat().st_size == IMAGES * 4 * 2
    embedder = MeanEmbedder()
    embed_dataset(folder, embedder)
    assert embedder.seen == 0
