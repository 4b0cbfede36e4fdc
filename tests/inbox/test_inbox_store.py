"""What an inbox keeps and forgets, and that people's labels, undo and deletions do what they say."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from inbox_cases import FAST, answer, fill, make_inbox, quadrant
from PIL import Image

from euinet.errors import StorageError, UsageError
from euinet.inbox import Inbox, Limits, store
from euinet.inbox.database import DATABASE, IMAGES, open_database, reading
from euinet.inbox.pictures import from_png, image_key, to_png


def files(inbox: Inbox) -> set[str]:
    return {path.name for path in (inbox.folder / IMAGES).iterdir()}


def test_a_rejected_image_is_kept_with_its_answer_and_an_accepted_one_is_not(inbox: Inbox) -> None:
    before = time.time()
    assert inbox.offer(quadrant(0, 1), answer(best_class="b", p_value=0.002), "../up/photo.png")
    assert not inbox.offer(quadrant(0, 2), answer(rejected=False))
    inbox.flush()
    (item,), total = inbox.items()
    assert total == 1
    assert (item.name, item.best_class, item.p_value, item.status) == ("photo.png", "b", 0.002, "new")
    assert before <= item.first_seen == item.last_seen <= time.time()
    png = inbox.png(item.key)
    assert png is not None
    np.testing.assert_array_equal(from_png(png), quadrant(0, 1))
    assert files(inbox) == {f"{item.key}.png"}


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_holds_the_pixels_and_nothing_else(channels: int, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (channels, 9, 7), np.uint8)
    png = to_png(pixels)
    np.testing.assert_array_equal(from_png(png), pixels)
    (tmp_path / "a.png").write_bytes(png)
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG"
        assert image.info == {}
    chunks = {png[at : at + 4] for at in range(len(png)) if png[at : at + 4] in (b"tEXt", b"eXIf", b"iTXt")}
    assert not chunks


def test_equal_pixels_are_kept_once_and_counted(inbox: Inbox) -> None:
    for _ in range(3):
        inbox.offer(quadrant(1, 1), answer(), "first.png")
        inbox.flush()
    inbox.offer(quadrant(1, 2), answer())
    inbox.flush()
    items, _ = inbox.items()
    assert sorted(item.seen for item in items) == [1, 3]
    assert inbox.counters() == {"offered": 4, "kept": 2, "repeated": 2, "passed_over": 0, "failed": 0}
    assert image_key(np.zeros((1, 4, 4), np.uint8)) != image_key(np.zeros((1, 2, 8), np.uint8))


def test_what_waits_is_a_copy(inbox: Inbox) -> None:
    pixels = quadrant(2, 0)
    inbox.offer(pixels, answer())
    pixels[:] = 0
    inbox.flush()
    (item,), _ = inbox.items()
    assert item.key == image_key(quadrant(2, 0))


def test_pages_and_filters(inbox: Inbox) -> None:
    fill(inbox, 5, 3)
    newest, total = inbox.items(limit=2)
    assert (len(newest), total) == (2, 8)
    every = [item.key for start in (0, 3, 6) for item in inbox.items(offset=start, limit=3)[0]]
    assert len(set(every)) == 8
    inbox.label(every[:2], "new class")
    inbox.mark_nuisance(every[2:3])
    assert inbox.items(status="labelled", label="new class")[1] == 2
    assert inbox.items(status="nuisance")[1] == 1
    assert inbox.items(status="new", source="predict")[1] == 5
    assert inbox.items(label="'; DROP TABLE items; --")[1] == 0


def test_labels_are_taken_back_one_action_at_a_time(inbox: Inbox) -> None:
    fill(inbox, 4)
    a, b, c, d = (item.key for item in inbox.items()[0])
    assert inbox.label([a, b], "zero").images == 2
    assert inbox.label([b, c], "one").images == 2
    assert inbox.mark_nuisance([a, d]).images == 2
    assert inbox.label([b], "one").images == 0  # nothing changed: nothing to take back

    def labels() -> list[tuple[str, str | None]]:
        found = [inbox.item(key) for key in (a, b, c, d)]
        return [(item.status, item.label) for item in found if item]

    nuisance, new = ("nuisance", None), ("new", None)
    assert labels() == [nuisance, ("labelled", "one"), ("labelled", "one"), nuisance]
    assert inbox.undo() is not None
    assert labels() == [("labelled", "zero"), ("labelled", "one"), ("labelled", "one"), new]
    assert inbox.undo() is not None
    assert labels() == [("labelled", "zero"), ("labelled", "zero"), new, new]
    assert inbox.undo() is not None
    assert labels() == [new] * 4
    assert inbox.undo() is None


def test_undo_outlives_a_restart_and_deletion_does_not_come_back(tmp_path: Path) -> None:
    inbox = make_inbox(tmp_path)
    fill(inbox, 2)
    first, second = (item.key for item in inbox.items()[0])
    inbox.label([first, second], "zero")
    assert inbox.delete([first, "0" * 20]) == 1
    inbox.close()
    inbox = make_inbox(tmp_path)
    assert inbox.png(first) is None
    assert files(inbox) == {f"{second}.png"}
    taken_back = inbox.undo()
    assert taken_back is not None
    assert taken_back.images == 1
    assert [(item.key, item.status) for item in inbox.items()[0]] == [(second, "new")]
    inbox.close()


def test_hostile_class_names_are_refused_and_change_nothing(inbox: Inbox) -> None:
    fill(inbox, 1)
    (item,), _ = inbox.items()
    for name in ("../../x", "", "A"):  # A: the model knows a
        with pytest.raises(UsageError):
            inbox.label([item.key], name)
    assert inbox.items(status="new")[1] == 1
    inbox.label([item.key], "a")  # a class that the model knows may be rejected by mistake


def test_too_many_images_the_oldest_unlabelled_go_first(tmp_path: Path) -> None:
    inbox = make_inbox(tmp_path, Limits(images=4, per_second=1e9))
    fill(inbox, 4)
    by_age = [item.key for item in inbox.items()[0]][::-1]
    inbox.label([by_age[0]], "kept")
    inbox.mark_nuisance([by_age[3]])
    fill(inbox, 0, 1)
    left = {item.key for item in inbox.items()[0]}
    assert left == {*by_age[:3], image_key(quadrant(1, 0))}  # the nuisance went, though it was the newest
    fill(inbox, 0, 0, 2)
    left = {item.key for item in inbox.items()[0]}
    assert by_age[0] in left  # labelled: the last to go
    assert not {by_age[1], by_age[2]} & left
    assert files(inbox) == {f"{key}.png" for key in left}
    inbox.close()


def test_too_many_bytes_and_too_many_days(tmp_path: Path) -> None:
    inbox = make_inbox(tmp_path)
    fill(inbox, 6)
    items, _ = inbox.items()
    size = sum(item.bytes for item in items)
    inbox.close()
    inbox = make_inbox(tmp_path, Limits(megabytes=(size - 1) / 1e6, per_second=1e9))
    inbox.flush()
    assert inbox.items()[1] == 5
    labelled, *others = (item.key for item in inbox.items()[0])
    inbox.label([labelled], "kept")
    with sqlite3.connect(inbox.folder / DATABASE) as db:
        db.execute("UPDATE items SET last_seen = last_seen - 31 * 86400")
    inbox.close()
    inbox = make_inbox(tmp_path)  # 30 days, labelled ones 365
    inbox.flush()
    assert [item.key for item in inbox.items()[0]] == [labelled]
    assert files(inbox) == {f"{labelled}.png"}
    assert others
    inbox.close()


def test_what_killed_processes_left_is_swept_up_when_it_is_old(tmp_path: Path) -> None:
    import os

    inbox = make_inbox(tmp_path)
    fill(inbox, 1)
    inbox.close()
    old, young = tmp_path / IMAGES / f"{'1' * 20}.png", tmp_path / IMAGES / f"{'2' * 20}.123.part"
    for path in (old, young):
        path.write_bytes(b"left")
    os.utime(old, (0, 0))
    inbox = make_inbox(tmp_path)
    assert not old.exists()
    assert young.exists()  # another process may be about to name it
    assert inbox.items()[1] == 1
    inbox.close()


def test_a_lost_image_is_no_image_and_no_error(inbox: Inbox) -> None:
    fill(inbox, 4)
    gone, cut, *_ = (item.key for item in inbox.items()[0])
    (inbox.folder / IMAGES / f"{gone}.png").unlink()
    path = inbox.folder / IMAGES / f"{cut}.png"
    path.write_bytes(path.read_bytes()[:40])
    assert inbox.png(gone) is None
    assert inbox.png(cut) is None
    assert sum(group.size for group in inbox.groups()) == 2
    assert inbox.items()[1] == 2  # their rows went when they were to be read


def test_many_threads_at_once(inbox: Inbox) -> None:
    def offer(which: int) -> None:
        for seed in range(40):
            while not inbox.offer(quadrant(which, seed), answer()):
                time.sleep(0.01)
            if seed % 10 == 0:
                inbox.groups()
                inbox.label([item.key for item in inbox.items(limit=2)[0]], f"class {which}")

    threads = [threading.Thread(target=offer, args=(which,)) for which in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    inbox.flush()
    assert inbox.items()[1] == 160
    assert inbox.counters()["failed"] == 0
    with reading(inbox.folder) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_second_process_reads_while_this_one_writes(inbox: Inbox) -> None:
    fill(inbox, 3)
    command = [sys.executable, "-m", "euinet", "inbox", "list", str(inbox.folder), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    fill(inbox, 30, start=10)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
    assert b'"total": ' in out


def test_folders_that_are_no_inbox(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no inbox in"), reading(tmp_path):
        pass
    (tmp_path / DATABASE).write_bytes(b"no database at all, but long enough to be read as one" * 40)
    with pytest.raises(StorageError, match="cannot be used"):
        open_database(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        open_database(tmp_path / "file" / "inbox")
    newer = tmp_path / "newer"
    open_database(newer).close()
    with sqlite3.connect(newer / DATABASE) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(UsageError, match="has format 99"):
        open_database(newer)


def test_a_key_that_is_a_path_leads_nowhere(tmp_path: Path) -> None:
    for key in ("../../etc/passwd", "0" * 19, "G" * 20, "0" * 20 + "\n"):
        with pytest.raises(ValueError, match="no image's key"):
            store.image_path(tmp_path, key)


def test_limits_are_above_nothing() -> None:
    assert FAST.images == 5000
    with pytest.raises(UsageError, match="limit days is 0"):
        Limits(days=0)


def test_a_drawing_is_kept_whatever_was_answered(inbox: Inbox) -> None:
    item = inbox.keep(quadrant(3, 0), "my drawing")
    assert (item.source, item.name) == ("drawing", "my drawing")
    assert item.p_value == pytest.approx(quadrant(3, 0).mean() / 255)
    with pytest.raises(UsageError, match=r"reads uint8 of shape \(1, 8, 8\)"):
        inbox.keep(np.zeros((3, 8, 8), np.uint8))
