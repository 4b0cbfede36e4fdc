"""Broken off at any place, run again: the same bytes. By a hand-made model, in this process."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decision_files import CALIBRATION, DESCRIPTION, content
from euinet.errors import StorageError, UsageError
from euinet.images.inputs import find_inputs
from euinet.model.decision_file import with_calibration
from euinet.predict.parts import parts_folder
from euinet.predict.run import Predicted, predict_all
from euinet.predict.sinks import RowList
from euinet.predict.to_file import Order, predict_to_file
from euinet.system.lock import sole_user
from watched import Watched

FORMATS = ("rows.csv", "rows.json", "rows.parquet")
IMAGES, PART = 25, 4  # seven parts, the last of one image


OTHER = with_calibration(content(), DESCRIPTION, replace(CALIBRATION, alpha=0.3))


def other(before: Callable[[int], None] = lambda _: None) -> Watched:
    """Another model: the same network with another threshold."""
    return Watched(OTHER, before)


@pytest.fixture
def images(tmp_path: Path) -> str:
    """An array in another folder than what is written."""
    (tmp_path / "in").mkdir()
    array = np.random.default_rng(0).integers(0, 140, (IMAGES, 1, 1), np.uint8).repeat(4, 1).repeat(4, 2)
    np.save(tmp_path / "in" / "images.npy", array)
    return str(tmp_path / "in" / "images.npy")


def predict(model: Watched, images: str, out: Path, said: list[str] | None = None, **order: Any) -> Predicted:
    settings = Order(**{"device": "cpu", "part_images": PART, **order})
    notify = (lambda _: None) if said is None else said.append
    return predict_to_file(model, find_inputs([images]), out, settings, (), notify)


def interrupt(batch: int) -> Callable[[int], None]:
    def before(number: int) -> None:
        if number == batch:
            raise KeyboardInterrupt

    return before


@pytest.mark.parametrize("name", FORMATS)
def test_broken_off_at_every_part_it_ends_with_the_same_bytes(name: str, images: str, tmp_path: Path) -> None:
    out = tmp_path / "out" / name
    expected = predict(Watched(), images, tmp_path / "whole" / name)
    for batch in range(7):
        out.unlink(missing_ok=True)
        with pytest.raises(KeyboardInterrupt):
            predict(Watched(before=interrupt(batch)), images, out)
        assert not out.exists()
        again, said = Watched(), list[str]()
        assert predict(again, images, out, said) == expected
        assert len(again.batches) == 7 - batch  # what was finished is not done again
        assert said == (
            [] if batch == 0 else [f"Going on: {batch} of 7 parts were finished by an earlier run."]
        )
        assert out.read_bytes() == (tmp_path / "whole" / name).read_bytes()
        assert [path.name for path in out.parent.iterdir()] == [name]
    assert expected.images == IMAGES
    kept = RowList()
    assert predict_all(Watched(), find_inputs([images]), [kept], lambda _: None, PART) == expected


def finish_some(images: str, out: Path, parts: int = 5) -> Path:
    """Return the folder of an unfinished run with so many finished parts."""
    with pytest.raises(KeyboardInterrupt):
        predict(Watched(before=interrupt(parts)), images, out)
    return parts_folder(out)


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_parts_are_scored_again(name: str, images: str, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole" / name, tmp_path / name
    predict(Watched(), images, whole)
    folder, ending = finish_some(images, out), out.suffix
    cut, changed, unsealed = (folder / f"00000{number}{ending}" for number in (0, 1, 2))
    cut.write_bytes(cut.read_bytes()[:-1])
    changed.write_bytes(changed.read_bytes()[:-9] + b"?" + changed.read_bytes()[-8:])
    unsealed.with_suffix(".seal").write_bytes(b"{")
    (folder / f"000003{ending}").unlink()
    again = Watched()
    predict(again, images, out)
    assert len(again.batches) == 7 - 1
    assert out.read_bytes() == whole.read_bytes()


def test_parts_of_another_job_are_neither_used_nor_thrown_away(images: str, tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    folder = finish_some(images, out)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(
        UsageError, match=r"holds 5 finished parts of an unfinished run with another model: rep"
    ):
        predict(other(), images, out)
    with pytest.raises(UsageError, match=r"parts of another size \(--part-images\)"):
        predict(Watched(), images, out, part_images=5)
    os.utime(images, ns=(1, 1))
    with pytest.raises(UsageError, match="other images, or images changed since"):
        predict(Watched(), images, out)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    again = other()
    predict(again, images, out, fresh=True)
    assert len(again.batches) == 7
    predict(other(), images, tmp_path / "whole.csv")
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_part_of_another_job_that_arrives_late_is_not_used(images: str, tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    folder = finish_some(images, out, 2)
    late = {path.name: path.read_bytes() for path in folder.glob("000001.*")}
    with pytest.raises(KeyboardInterrupt):
        predict(other(interrupt(1)), images, out, fresh=True)
    for name, part in late.items():
        (folder / name).write_bytes(part)
    again = other()
    predict(again, images, out)
    assert len(again.batches) == 6
    predict(other(), images, tmp_path / "whole.csv")
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_nothing_finished_is_nothing_to_lose(images: str, tmp_path: Path) -> None:
    finish_some(images, tmp_path / "rows.csv", 0)
    assert predict(other(), images, tmp_path / "rows.csv").images == IMAGES


def test_a_full_disk_keeps_what_is_finished(
    images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, sync, calls = tmp_path / "rows.csv", os.fsync, []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) > 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        StorageError, match=r"No space is left to write .*; free some and run the command again\."
    ):
        predict(Watched(), images, out)
    monkeypatch.undo()
    again, said = Watched(), list[str]()
    predict(again, images, out, said)
    assert 0 < len(again.batches) < 7
    assert "parts were finished by an earlier run" in said[0]


def test_a_second_command_with_the_same_output_is_refused(images: str, tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    with (
        sole_user(parts_folder(out)),
        pytest.raises(UsageError, match=r"Another command is at work in .*\.rows\.csv\.parts"),
    ):
        predict(Watched(), images, out)


def test_rows_that_are_printed_too_are_all_scored(images: str, tmp_path: Path) -> None:
    out = tmp_path / "rows.json"
    finish_some(images, out)
    kept, model = RowList(), Watched()
    predict_to_file(model, find_inputs([images]), out, Order("cpu", PART), [kept], lambda _: None)
    assert (len(kept.rows), len(model.batches)) == (IMAGES, 7)


def test_an_existing_output_stays_until_the_new_one_is_whole(images: str, tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    out.write_text("as it was")
    finish_some(images, out, 6)
    assert out.read_text() == "as it was"
