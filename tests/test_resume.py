"""The same command again: it goes on, says so, and replaces nothing of another run."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

import euinet
from euinet import __main__ as program
from euinet.errors import UsageError
from euinet.system.lock import sole_user
from euinet.trained import model as trained_model
from euinet.training import loop
from euinet.training.checkpoint import read_checkpoint

SETTINGS = [
    *("--set", "training.epochs=2", "--set", "training.min_steps=1", "--set", "training.batch_size=20"),
    *("--set", "model.trunk_widths=[4, 8]", "--set", "gan.generator=dense", "--set", "gan.width=2"),
    *(
        "--set",
        "data.fewest_validation=6",
        "--set",
        "data.fewest_calibration=6",
        "--set",
        "scoring.alpha=0.2",
    ),
    *(
        "--preset",
        "report",
        "--image-size",
        "16",
        "--device",
        "cpu",
        "--precision",
        "32-true",
        "--hold-out",
        "a",
    ),
]


class Ended(NamedTuple):
    code: object
    out: str
    err: str


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "images"
    numbers = np.random.default_rng(0)
    for label, name in enumerate("abcd"):
        (root / name).mkdir(parents=True)
        for number in range(30):
            image = numbers.integers(0, 60, (16, 16), dtype=np.uint8) + np.uint8(60 * label)
            Image.fromarray(image).save(root / name / f"{number}.png")
    return root


@pytest.fixture
def train(
    images: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """Run `euinet train` in this process."""

    def call(out: Path, *more: object) -> Ended:
        arguments = ["euinet", "train", "--data", images, "--out", out, *SETTINGS, *more]
        monkeypatch.setattr(sys, "argv", list(map(str, arguments)))
        with pytest.raises(SystemExit) as ended:
            program.run()
        return Ended(ended.value.code, *capsys.readouterr())

    return call


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def metrics(out: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((out / "metrics.json").read_text())
    return {name: value for name, value in found.items() if not name.endswith("seconds")}


def test_the_same_command_completes_what_is_missing_and_trains_nothing(
    train: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    assert train(out).code == 0
    before, measured, network = contents(out), metrics(out), euinet.load(out / "model").description.network
    (out / "metrics.json").unlink()
    (out / "model" / "config.json").unlink()
    (out / "model" / "model.safetensors").write_bytes(b"torn")
    (out / "model" / "decision.onnx").write_bytes(b"torn")
    monkeypatch.setattr(loop, "train_step", None)  # to call it would raise
    again = train(out)
    assert again.code == 0, again.err
    assert "Trained already, 6 steps: nothing is trained anew" in again.err
    assert metrics(out) == measured
    assert contents(out).keys() == before.keys()
    name = "model/model.safetensors"
    assert contents(out)[name] == before[name]
    assert euinet.load(out / "model").description.network == network


def test_after_an_interruption_the_same_command_goes_on(
    train: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tmp_path / "whole")
    with monkeypatch.context() as patched:

        def power_failure(run: object) -> float:
            raise KeyboardInterrupt

        original = loop.validation_accuracy
        calls = iter([original, power_failure])
        patched.setattr(loop, "validation_accuracy", lambda run: next(calls)(run))
        assert train(tmp_path / "parted").code == 130
    assert not (tmp_path / "parted" / "metrics.json").exists()
    again = train(tmp_path / "parted")
    assert again.code == 0
    assert "Going on at step 3 of 6" in again.err
    assert metrics(tmp_path / "parted") == metrics(tmp_path / "whole")
    for name in ("model/model.safetensors", "training/metrics.jsonl"):
        assert contents(tmp_path / "parted")[name] == contents(tmp_path / "whole")[name]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_training_that_is_told_to_stop_keeps_its_state(
    train: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    def told(run: object) -> float:
        signal.raise_signal(number)
        return 0

    monkeypatch.setattr(loop, "validation_accuracy", told)
    ended = train(tmp_path / "run")
    assert ended.code == code
    assert "Interrupted at step 4; " in ended.err
    assert "the same command goes on from it." in ended.err
    assert read_checkpoint(tmp_path / "run" / "training" / "checkpoint.pt")["step"] == 4


def test_another_run_s_folder_is_left_alone_unless_fresh_is_given(
    train: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    train(out)
    before = contents(out)
    refused = train(out, "--seed", "1")
    assert refused.code == 2
    last = refused.err.splitlines()[-1]
    assert last.startswith("euinet: ")
    assert "the checkpoint of another run, which differs in seed (there 0, here 1). Choose" in last
    assert contents(out) == before

    # Of the old run nothing may stay that could be taken for the new one's, even if that is cut short.
    with monkeypatch.context() as patched:
        patched.setattr(loop, "validation_accuracy", lambda run: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(out, "--seed", "1", "--fresh")
    assert {"metrics.json", "model/config.json", "model/decision.onnx"}.isdisjoint(contents(out))
    assert train(out, "--seed", "1").code == 0
    assert euinet.load(out / "model").card.seed == 1


def test_broken_off_between_its_files_a_model_has_no_decision_of_another_network(
    train: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    assert train(out).code == 0
    with monkeypatch.context() as patched:

        def power_failure(path: Path, text: str) -> None:
            raise KeyboardInterrupt

        patched.setattr(trained_model, "write_text", power_failure)  # the config, which follows the weights
        assert train(out).code == 130
    with pytest.raises(UsageError, match=r"has no decision\.onnx, which answers from it"):
        euinet.load(out / "model")
    assert train(out).code == 0
    assert euinet.load(out / "model").torch().card.seed == 0


def test_two_runs_do_not_work_in_one_folder(train: Callable[..., Ended], tmp_path: Path) -> None:
    with sole_user(tmp_path / "run"):
        refused = train(tmp_path / "run", "--fresh")
    assert refused.code == 2
    assert refused.err.splitlines()[-1].startswith("euinet: Another command is at work in ")
    assert not (tmp_path / "run" / "training").exists()
