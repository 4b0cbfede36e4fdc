from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from euinet.errors import StorageError
from euinet.training.log import METRICS_FILE, TrainingLog, clock, progress_line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"),
        (59.6, "1:00"),
        (80, "1:20"),
        (3599, "59:59"),
        (3600, "1:00:00"),
        (36_125, "10:02:05"),
        (-4, "0:00"),
    ],
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_progress_line_foretells_from_the_steps_of_this_sitting() -> None:
    row = {"step": 100, "epoch": 2, "class_loss": 0.12345, "gan_gen_loss": 1.0, "fake_diversity": 0.5}
    # 40 steps took 10 s, 300 are left
    line = progress_line(row, 400, 40, 10)
    assert line == "step 100/400 · epoch 2 · class 0.123  gan_gen 1.000 · 1:15 left"
    assert progress_line(row, 400, 0, 0).endswith("gan_gen 1.000")


def test_rows_are_shown_on_stderr_at_most_every_so_often(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for plain_seconds, shown in ((0, 2), (1000, 1)):
        with TrainingLog(tmp_path, 10, plain_seconds=plain_seconds) as log:
            log.last_line = -1e9
            for step in (1, 2):
                log.row({"step": step, "epoch": 1, "class_loss": 1.0})
        captured = capsys.readouterr()
        assert captured.err.count("step ") == shown
        assert captured.out == ""


def test_an_epoch_s_line_is_shown_as_seldom_but_the_last_always(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for plain_seconds, shown in ((0, ["one", "two", "three"]), (1000, ["one", "three"])):
        with TrainingLog(tmp_path, 10, plain_seconds=plain_seconds) as log:
            log.last_line = -1e9
            log.epoch("one", last=False)
            log.epoch("two", last=False)
            log.epoch("three", last=True)
        assert capsys.readouterr().err.split() == shown


@pytest.mark.parametrize("found", ['{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st', '{"step": 1}\n', None])
def test_the_file_is_made_to_hold_the_checkpoint_s_rows(tmp_path: Path, found: str | None) -> None:
    path = tmp_path / METRICS_FILE
    if found is not None:
        path.write_text(found)
    with TrainingLog(tmp_path, 10, quiet=True) as log:
        log.start_with([{"step": 1, "class_loss": 0.1 + 0.2}, {"step": 2}])
        log.row({"step": 3, "epoch": 1})
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert [row["step"] for row in rows] == [1, 2, 3]
        assert rows[0]["class_loss"] == 0.1 + 0.2
        log.start_with([])
        assert not path.exists()


def test_a_full_disk_is_a_storage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with TrainingLog(tmp_path, 10, quiet=True) as log:
        monkeypatch.setattr(Path, "open", no_space)
        with pytest.raises(StorageError, match=r"No space is left to write .*metrics\.jsonl"):
            log.row({"step": 1, "epoch": 1})
        monkeypatch.undo()
