"""The command as it is called."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import Ended

TINY = [
    *("--set", "training.epochs=1", "--set", "training.min_steps=1", "--set", "training.average_decay=0"),
    *("--set", "model.trunk_widths=[4, 8]", "--set", "gan.generator=dense", "--set", "data.augmentation=0"),
    *("--set", "training.batch_size=64", "--set", "data.stitched=0", "--set", "scoring.epsilon=0"),
    *("--preset", "report", "--data", "digits", "--detectors", "EuiNet,maximum logit"),
    *("--device", "cpu", "--precision", "32-true"),
]


@pytest.fixture
def run(run: Callable[..., Ended]) -> Callable[..., Ended]:
    return lambda *arguments: run("benchmark", *arguments)


def test_tables_to_stdout_progress_to_stderr_and_json_alone(
    run: Callable[..., Ended], tmp_path: Path
) -> None:
    ended = run(*TINY, "--hold-out", "4,9", "--seeds", 1, "--out", tmp_path)
    assert ended.code == 0, ended.err
    assert "By held-out class, weakest first" in ended.out
    assert "4 + 9" in ended.out
    assert "1/1 cells done. without-4-9_seed-0: EuiNet AUROC " in ended.err
    assert "1/1" not in ended.out

    again = run(*TINY, "--hold-out", "4,9", "--seeds", 1, "--out", tmp_path, "--json")
    assert again.code == 0
    assert json.loads(again.out) == json.loads((tmp_path / "summary.json").read_text())
    assert "1 of 1 cells are finished already" in again.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--hold-out", "11"), "There is no class '11' to hold out"),
        (("--detectors", "nearest"), "There is no detector 'nearest'"),
        (("--far", "nowhere"), "There is no far set, file or folder 'nowhere'"),
        (("--preset", "reprot"), "There is no preset 'reprot'. Did you mean 'report'?"),
        (("--set", "scoring.nothing=1"), "There is no setting 'scoring.nothing'"),
        (("--data", "nomnist"), "There is no data set or folder 'nomnist'"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_nothing_is_written(
    run: Callable[..., Ended], tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    ended = run(*TINY, "--out", tmp_path / "out", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert ended.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_help_says_how_splits_are_written(run: Callable[..., Ended]) -> None:
    ended = run("--help")
    assert ended.code == 0
    assert "six-four" in ended.out
    assert '"4;9" one class each' in ended.out
