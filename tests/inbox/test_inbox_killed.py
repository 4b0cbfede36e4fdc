"""A process that keeps images, killed without warning (SIGKILL) again and again: nothing is damaged."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from inbox_cases import fill, make_inbox

from euinet.inbox.database import IMAGES, reading
from euinet.inbox.pictures import from_png, image_key

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")

OFFERING = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from inbox_cases import answer, make_inbox, quadrant
inbox = make_inbox(sys.argv[1])
seed, turn = int(sys.argv[2]), 0
print("ready", flush=True)
while True:
    seed += 1
    while not inbox.offer(quadrant(seed % 4, seed), answer()):
        time.sleep(0.001)
    if seed % 50 == 0:
        items, _ = inbox.items(limit=20, status="new")
        inbox.label([item.key for item in items[:10]], "zero")
        inbox.delete([item.key for item in items[10:15]])
"""


def test_killed_again_and_again_it_holds_whole_images_and_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    counts = []
    for turn, seconds in enumerate((0.2, 0.35, 0.5, 0.7)):
        command = [sys.executable, "-c", OFFERING, str(folder), str(turn * 1_000_000)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(seconds)
        process.kill()
        process.wait(30)
        process.stdout.close()
        with reading(folder) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            rows = db.execute("SELECT key, bytes FROM items").fetchall()
            hours = db.execute("SELECT counts FROM hours").fetchall()
        counts.append(len(rows))
        for key, size in rows:  # each image that it says it has is there, whole and its own
            png = (folder / IMAGES / f"{key}.png").read_bytes()
            assert len(png) == size
            assert image_key(from_png(png)) == key
        assert hours
    assert counts == sorted(counts)
    assert counts[-1] > counts[0] > 0
    inbox = make_inbox(folder)
    before = inbox.items()[1]
    fill(inbox, 2, start=10**9)
    assert inbox.items()[1] == before + 2
    assert inbox.undo() is not None
    assert np.sum([group.size for group in inbox.groups()]) == inbox.items(status="new")[1]
    inbox.close()
