"""Trials that come to no objective, and a journal that was hurt."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from searching import Search

from euinet.errors import StorageError, TrainingError
from euinet.tune import trial
from euinet.tune.journal import Journal, lock_trial
from euinet.tune.summary import as_text

POSES = {"training.poses": "8"}  # needs a discriminator that does not shape the trunk
SHAPES = ("training.disc_shapes_trunk=true|false", "scoring.disc_scale=0..0.02")


def states(search: Search) -> list[str]:
    with Journal(search.out, "maximize", search.said.append).held() as study:
        return [one.state.name for one in study.get_trials()]


def test_settings_that_may_not_stand_together_cost_a_sentence(search: Search) -> None:
    changes: dict[str, Any] = {"fixed": POSES, "search": SHAPES, "trials": 5}
    trials = search.run(**changes)
    forbidden = [one for one in trials if one.state == "forbidden"]
    assert 0 < len(forbidden) < 5
    for one in forbidden:
        assert one.settings["training.disc_shapes_trunk"] == "true"
        assert one.objective is None
        assert "training.poses needs training.disc_shapes_trunk=false" in str(one.error)
        assert not (search.out / f"trials/{one.number:04}/cells").exists()
    assert states(search) == ["PRUNED" if one.state == "forbidden" else "COMPLETE" for one in trials]
    numbers = ", ".join(str(one.number) for one in forbidden)
    assert f"Forbidden: trial {numbers}. The first of them: " in as_text(search.asked(**changes), trials)
    assert search.run(**changes) == trials  # nor is one of them tried again


def failing(right: Any, *, numbers: set[int], error: Exception) -> Any:
    """`run_cell`, but it raises in the trials `numbers`, in their second cell."""

    def run_cell(cell: Any, work: Any, *rest: Any, **options: Any) -> Any:
        if int(Path(work.out).name) in numbers and cell.pseudo == 3:
            raise error
        return right(cell, work, *rest, **options)

    return run_cell


def test_a_training_that_fails_is_its_trials_alone(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = failing(trial.run_cell, numbers={1}, error=TrainingError("training diverged."))
    monkeypatch.setattr(trial, "run_cell", broken)
    trials = search.run(trials=3)
    assert [one.state for one in trials] == ["finished", "failed", "finished"]
    assert trials[1].error == "training diverged."
    assert (trials[1].objective, len(trials[1].cells)) == (None, 1)
    assert "training diverged." in (search.out / "trials/0001/error.txt").read_text()
    assert any("Trial 1 failed: training diverged." in said for said in search.said)


def test_where_every_trial_fails_there_is_no_best(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = failing(trial.run_cell, numbers={0, 1}, error=ValueError("no"))
    monkeypatch.setattr(trial, "run_cell", broken)
    with pytest.raises(TrainingError, match="None of 2 trials came to an objective; the first of"):
        search.run(trials=2)
    assert not (search.out / "best.json").exists()


def test_a_full_disk_stops_the_search_and_the_trial_goes_on_later(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        broken = failing(trial.run_cell, numbers={1}, error=StorageError("No space is left."))
        patch.setattr(trial, "run_cell", broken)
        with pytest.raises(StorageError, match="No space is left"):
            search.run(trials=3)
    assert states(search) == ["COMPLETE", "RUNNING"]
    first = next((search.out / "trials/0001/cells").glob("*pseudo-1*/result.json"))
    written = first.stat().st_mtime_ns
    trials = search.run(trials=3)
    assert [one.state for one in trials] == ["finished"] * 3
    assert "Going on with trial 1, which was interrupted." in search.said
    assert first.stat().st_mtime_ns == written  # what was done is not done again


def test_a_line_cut_off_by_a_crash_and_a_lock_left_behind_do_no_harm(search: Search) -> None:
    search.run(trials=2)
    journal = search.out / "journal.log"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":4,"worker_id":"x","study')
    (search.out / "journal.log.lock").touch()
    os.utime(search.out / "journal.log.lock")
    trials = search.run(trials=3)
    assert [one.number for one in trials] == [0, 1, 2]
    assert journal.read_bytes().startswith(whole + b'{"op_code":4,"worker_id":')
    assert states(search) == ["COMPLETE"] * 3


def test_a_trial_is_locked_while_its_process_lives(tmp_path: Path) -> None:
    lock = lock_trial(tmp_path, 3)
    assert lock is not None
    assert lock_trial(tmp_path, 3) is None
    other = lock_trial(tmp_path, 4)
    assert other is not None
    lock.release()
    again = lock_trial(tmp_path, 3)
    assert again is not None
    again.release()
    other.release()
