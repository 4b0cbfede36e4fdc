"""Whole benchmarks: going on after a crash, adding detectors, refusing what does not belong together."""

from __future__ import annotations

import csv
import dataclasses
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from euinet import fitting
from euinet.benchmark import work, workers
from euinet.benchmark.plan import Cell
from euinet.benchmark.results import OWN, TEST, CellResult
from euinet.benchmark.store import cell_folder, read_result
from euinet.data.far.sets import FarSet
from euinet.errors import StorageError, TrainingError, UsageError
from euinet.records import Dataset, LabelledImages
from euinet.system.lock import sole_user
from euinet.training import loop
from euinet.training.checkpoint import FILE_NAME, PREVIOUS_NAME

if TYPE_CHECKING:
    from conftest import Bench

BOTH = ("without-0_seed-0", "without-3_seed-0")


def results(bench: Bench, cells: tuple[str, ...] = BOTH) -> list[CellResult]:
    """The cells' results without the seconds, which are never the same twice."""
    found = [read_result(bench.out, cell) for cell in cells]
    return [
        dataclasses.replace(
            result,
            train_seconds=0,
            rows=tuple(sorted((dataclasses.replace(row, score_seconds=0) for row in result.rows), key=str)),
        )
        for result in found
        if result is not None
    ]


@pytest.fixture
def uninterrupted(bench: Bench, tmp_path: Path) -> list[CellResult]:
    """What the benchmark gives in one go."""
    out, bench.out = bench.out, tmp_path / "uninterrupted"
    bench.run()
    found = results(bench)
    bench.out = out
    bench.said.clear()
    return found


def count_steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    steps: list[int] = []
    original = loop.train_step

    def counted(*arguments: Any) -> Any:
        steps.append(1)
        return original(*arguments)

    monkeypatch.setattr(loop, "train_step", counted)
    return steps


def test_a_benchmark_leaves_collected_results_tables_and_a_picture(bench: Bench) -> None:
    ended = bench.run(far=("static",))
    assert ended.failures == ()
    assert ended.summary is not None
    assert {path.name for path in bench.out.iterdir()} == {
        *("benchmark.json", "cells", "most_wrong.png", "results.csv", "results.json"),
        ".lock",
        *("summary.json", "summary.md"),
    }
    with (bench.out / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 3 * 2  # cells × detectors × sets
    first = rows[0]
    assert (first["cell"], first["held_out"], first["detector"], first["unknown_set"]) == (
        *("without-0_seed-0", "north-west", OWN, TEST),
    )
    assert float(first["auroc"]) == results(bench)[0].row(OWN, TEST).auroc
    collected = json.loads((bench.out / "results.json").read_text())["cells"]
    assert [cell["cell"] for cell in collected] == list(BOTH)
    assert json.loads((bench.out / "summary.json").read_text()) == ended.summary.plain
    with Image.open(bench.out / "most_wrong.png") as picture:
        assert picture.width == 1152
    assert bench.said[-1].startswith("2/2 cells done. without-3_seed-0: EuiNet AUROC ")


def test_a_crash_between_cells_loses_nothing(
    bench: Bench, uninterrupted: list[CellResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        original = workers.run_cell

        def crashing(cell: Cell, *arguments: Any, **options: Any) -> CellResult:
            if cell.id == BOTH[1]:
                raise KeyboardInterrupt
            return original(cell, *arguments, **options)

        patched.setattr(workers, "run_cell", crashing)
        with pytest.raises(KeyboardInterrupt):
            bench.run()
    assert bench.said[-1] == "Interrupted; 1/2 cells are done, and the same command goes on from here."
    assert len(json.loads((bench.out / "results.json").read_text())["cells"]) == 1

    steps = count_steps(monkeypatch)
    bench.run()
    assert len(steps) == 12 * 2  # the second cell's epochs × steps
    assert "1 of 2 cells are finished already and are not run again." in bench.said
    assert results(bench) == uninterrupted


def test_a_crash_in_the_middle_of_a_cell_goes_on_from_its_checkpoint(
    bench: Bench, uninterrupted: list[CellResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        original, calls = loop.validation_accuracy, [0]

        def crashing(run: Any) -> float:
            calls[0] += 1
            if calls[0] == 5:
                raise RuntimeError("the power went out")
            return original(run)

        patched.setattr(loop, "validation_accuracy", crashing)
        ended = bench.run()
    (failure,) = ended.failures
    assert (failure.cell, failure.error) == (BOTH[0], "RuntimeError: the power went out")
    assert "the power went out" in (cell_folder(bench.out, BOTH[0]) / "error.txt").read_text()
    assert read_result(bench.out, BOTH[1]) is not None  # the others went on
    with pytest.raises(TrainingError, match="1 cell failed") as raised:
        ended.raise_failures()
    assert "without-0_seed-0: RuntimeError: the power went out" in str(raised.value)

    steps = count_steps(monkeypatch)
    bench.run()
    assert len(steps) == 8 * 2  # four of twelve epochs were in the checkpoint
    assert results(bench) == uninterrupted
    assert not (cell_folder(bench.out, BOTH[0]) / "error.txt").exists()


def test_a_crash_while_scoring_does_not_train_again(
    bench: Bench, uninterrupted: list[CellResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("euinet.benchmark.cell.measure", lambda *_: 1 / 0)
        assert len(bench.run().failures) == 2
    monkeypatch.setattr(fitting, "train", lambda *_, **__: pytest.fail("trained again"))
    bench.run()
    assert results(bench) == uninterrupted


def test_more_detectors_and_far_sets_are_scored_from_the_saved_models(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = {"detectors": "EuiNet,KNN,GAN discriminator,MaxSoftmax", "far": ("static", "snow")}
    out, bench.out = bench.out, tmp_path / "at-once"
    bench.run(**everything)
    expected = results(bench)
    bench.out = out
    bench.run(detectors="MaxSoftmax", far=("static",))
    monkeypatch.setattr(fitting, "train", lambda *_, **__: pytest.fail("trained again"))
    assert bench.run(**everything).failures == ()
    assert results(bench) == expected

    bench.said.clear()
    ended = bench.run(detectors="KNN", far=("snow",))  # fewer: nothing to do, and only these are told of
    assert "2 of 2 cells are finished already and are not run again." in bench.said
    assert ended.summary is not None
    assert [row["detector"] for row in ended.summary.plain["detectors"]] == [OWN, "KNN"]
    assert results(bench) == expected


def test_more_seeds_and_splits_may_be_added(bench: Bench) -> None:
    bench.run(hold_out="0")
    ended = bench.run(hold_out="0;3", seeds=2)
    assert ended.summary is not None
    assert "1 of 4 cells are finished already and are not run again." in bench.said
    assert ended.summary.plain["seeds"] == [0, 1]


@pytest.mark.parametrize("finished", [True, False])
def test_cells_of_other_settings_are_refused(
    bench: Bench, finished: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if finished:
        bench.run(hold_out="0")
    else:
        monkeypatch.setattr(workers, "run_cell", lambda *_, **__: 1 / 0)
        bench.run(hold_out="0")
    scoring = bench.preset.scoring.model_copy(update={"disc_scale": 0.5})
    other = bench.preset.model_copy(update={"scoring": scoring})
    with pytest.raises(UsageError, match=r"another preset\.scoring\.disc_scale: .* choose another --out"):
        bench.run(hold_out="0", preset=other)
    with pytest.raises(UsageError, match="another pseudo_unknowns"):
        bench.run(hold_out="0", pseudo=True)


def test_other_images_under_the_same_name_are_refused(
    bench: Bench, dataset: Dataset, dataset_used: list[Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.run(hold_out="0", far=("static",))

    def black(name: str, *_arguments: Any, **_options: Any) -> FarSet:
        return FarSet(name, np.zeros((7, 1, 8, 8), np.uint8), None)

    with monkeypatch.context() as patched:
        patched.setattr(work, "load_far", black)
        with pytest.raises(UsageError, match="another far set 'static'"):
            bench.run(hold_out="0", far=("static",))
        bench.run(hold_out="0", far=("night",))  # another set is none of its business
    brighter = LabelledImages(dataset.train.images + 1, dataset.train.labels)
    dataset_used[0] = dataclasses.replace(dataset, train=brighter)
    with pytest.raises(UsageError, match="another data_fingerprint"):
        bench.run(hold_out="0")


def test_two_benchmarks_do_not_work_in_one_folder(bench: Bench) -> None:
    with sole_user(bench.out), pytest.raises(UsageError, match="Another command is at work in"):
        bench.run(hold_out="0")
    assert not (bench.out / "cells").exists()
    assert bench.run(hold_out="0").failures == ()  # given up again


def test_a_cell_that_another_process_still_writes_is_waited_for_and_not_shared(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("euinet.benchmark.cell.PATIENCE", 0.2)
    with sole_user(cell_folder(bench.out, BOTH[0])):
        ended = bench.run()
        (failure,) = ended.failures
        assert failure.cell == BOTH[0]
        assert "Another command is at work in" in failure.error
    monkeypatch.setattr("euinet.benchmark.cell.PATIENCE", 30)
    lock = sole_user(cell_folder(bench.out, BOTH[0]))
    lock.__enter__()
    threading.Timer(0.5, lock.__exit__, (None, None, None)).start()
    assert bench.run().failures == ()


def test_a_checkpoint_that_a_kill_left_of_a_finished_cell_is_removed(bench: Bench) -> None:
    bench.run(hold_out="0")
    training = cell_folder(bench.out, BOTH[0]) / "training"
    before = sorted(training.iterdir())
    for name in (FILE_NAME, PREVIOUS_NAME):
        (training / name).write_bytes(b"")
    bench.run(hold_out="0")
    assert sorted(training.iterdir()) == before


def test_a_damaged_result_is_named(bench: Bench) -> None:
    bench.run(hold_out="0")
    path = cell_folder(bench.out, BOTH[0]) / "result.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(StorageError, match=r"without-0_seed-0/result\.json cannot be read"):
        bench.run(hold_out="0")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hold_out": "7"}, "There is no class '7' to hold out"),
        ({"detectors": "KNM"}, "There is no detector 'KNM'"),
        ({"far": ("quadrants",)}, "the name of quadrants's own test images"),
        ({"far": ("static", "static")}, "The far set 'static' is given twice"),
        ({"seeds": 0}, "--seeds is 0"),
        ({"jobs": 0}, "--jobs is 0"),
        ({"device": "cuda"}, "no CUDA GPU"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_written(
    bench: Bench, changes: dict[str, Any], said: str
) -> None:
    if changes.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has the device")
    with pytest.raises(UsageError, match=said):
        bench.run(**changes)
    assert not bench.out.exists()


def test_a_far_set_of_known_classes_loses_them_in_each_cell(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def named(name: str, channels: int, size: int, *_arguments: Any, **_options: Any) -> FarSet:
        generator = torch.Generator().manual_seed(3)
        images = torch.randint(
            0, 256, (6, channels, size, size), generator=generator, dtype=torch.uint8
        ).numpy()
        return FarSet(name, images, ("north-west", "south-east", "elsewhere") * 2)

    monkeypatch.setattr(work, "load_far", named)
    bench.run(far=("places",))
    first, second = results(bench)
    assert "classes that the model knows: south-east (2)" in first.far_remarks["places"]
    assert "classes that the model knows: north-west (2)" in second.far_remarks["places"]
