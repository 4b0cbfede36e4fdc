"""The program as it is called: exit code, stdout, stderr. Most tests call it in this process: faster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import euinet
from commands import Ended
from euinet.data.sets import datasets
from euinet.errors import DataError
from euinet.judging import reading
from euinet.records import Dataset, LabelledImages

SMALL = [
    *("--set", "training.epochs=3", "--set", "training.min_steps=1", "--set", "training.average_decay=0"),
    *("--set", "model.trunk_widths=[4, 8]", "--set", "gan.generator=dense", "--set", "data.augmentation=0"),
    *("--set", "training.optimizer.learning_rate=0.005", "--set", "training.schedule=constant"),
    *("--set", "training.batch_size=32", "--set", "data.stitched=0", "--set", "training.temperature=1"),
    *("--set", "scoring.known_rejected=0.05", "--device", "cpu", "--precision", "32-true"),
]


def started(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """A small model of the digits 1 … 9, trained by `python -m euinet train --json`."""
    out = tmp_path_factory.mktemp("runs") / "digits"
    process = started(
        *(
            "-W",
            "error",
            "-m",
            "euinet",
            "train",
            "--data",
            "digits",
            "--hold-out",
            "0",
            "--out",
            out,
            "--json",
        ),
        *SMALL,
    )
    output, errors = process.communicate()
    return out, Ended(process.returncode, output, errors)


# --- help ----------------------------------------------------------------------------------------


def test_help_lists_the_commands(run: Callable[..., Ended]) -> None:
    ended = run("--help")
    assert (ended.code, ended.err) == (0, "")
    for command in ("reproduce", "train", "evaluate", "models", "data"):
        assert command in ended.out
    assert "Judge a trained model" in run("evaluate", "-h").out
    assert "fetch" in run("data", "--help").out


def test_version(run: Callable[..., Ended]) -> None:
    assert run("--version") == (0, f"{euinet.__version__}\n", "")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['euinet', '--help']\n"
        "import atexit; atexit.register(lambda: sys.stderr.write(','.join(sys.modules)))\n"
        "from euinet.__main__ import run; run()"
    )
    process = started("-c", code)
    output, errors = process.communicate()
    modules = set(errors.split(","))
    assert process.returncode == 0
    assert "Usage" in output
    assert "euinet.cli" in modules
    assert not modules & {"torch", "matplotlib", "sklearn", "pytorch_ood", "numpy", "pydantic"}


# --- train and evaluate --------------------------------------------------------------------------


def test_stdout_is_one_json_document(trained: tuple[Path, Ended]) -> None:
    out, ended = trained
    assert ended.code == 0, ended.err
    metrics = json.loads(ended.out)
    assert metrics == json.loads((out / "metrics.json").read_text())
    assert (metrics["data"], metrics["held_out"], metrics["seed"]) == ("digits", [0], 0)
    assert (metrics["n_id"], metrics["n_ood"]) == (323, 36)
    assert "· epoch 1 · class " in ended.err
    assert ended.err.splitlines()[-1].endswith(f" to {out}.")
    assert metrics["closed_set_accuracy"] > 0.2
    assert {path.name for path in out.iterdir()} - {"near-copies.png"} == {
        *(".lock", "model", "training", "metrics.json")
    }


def test_evaluate_gives_what_train_wrote(run: Callable[..., Ended], trained: tuple[Path, Ended]) -> None:
    written = json.loads((trained[0] / "metrics.json").read_text())
    ended = run("evaluate", trained[0] / "model", "--data", "digits", "--json", "--device", "cpu")
    assert ended.code == 0, ended.err
    metrics = json.loads(ended.out)
    for name in (
        *("data", "held_out", "preset", "seed", "n_id", "n_ood", "id_accuracy", "ood_accuracy"),
        *(
            "closed_set_accuracy",
            "auroc",
            "fpr95",
            "aupr_in",
            "aupr_out",
            "oscr",
            "train_seconds",
            "versions",
        ),
    ):
        expected = written[name]
        assert metrics[name] == (
            pytest.approx(expected, abs=1e-4) if isinstance(expected, float) else expected
        ), name
    assert metrics["far"] == {}


def folder_of_images(folder: Path, names: str, side: int = 40) -> Path:
    rng = np.random.default_rng(0)
    for name in names:
        (folder / name).mkdir(parents=True)
        for index in range(8):
            pixels = rng.integers(0, 256, (side, side), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.png")
    return folder


def test_evaluate_judges_far_sets(
    run: Callable[..., Ended], trained: tuple[Path, Ended], tmp_path: Path
) -> None:
    far = folder_of_images(tmp_path / "noise", "ab")
    ended = run("evaluate", trained[0] / "model", "--data", "digits", "--ood", far, "--json")
    measures = json.loads(ended.out)["far"]
    assert list(measures) == [str(far)]
    assert measures[str(far)].keys() == {"auroc", "fpr95", "ood_accuracy", "n_ood", "remark"}
    assert all(0 <= measures[str(far)][name] <= 1 for name in ("auroc", "fpr95", "ood_accuracy"))
    assert measures[str(far)]["n_ood"] == 16
    assert measures[str(far)]["remark"].startswith("16 of 16 images were brought to 1 × 28 × 28")
    assert ended.err.count(f"{far}: {measures[str(far)]['remark']}.\n") == 1


def test_evaluate_takes_another_set_of_the_same_classes(
    run: Callable[..., Ended], trained: tuple[Path, Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(datasets.DATASETS._entries, "mnist", datasets.DATASETS["digits"])
    ended = run("evaluate", trained[0] / "model", "--data", "mnist", "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["data"] == "mnist"


def test_evaluate_goes_by_the_classes_names_not_their_places(
    run: Callable[..., Ended], trained: tuple[Path, Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    def backwards(name: str, *arguments: Any, **options: Any) -> Dataset:
        given = datasets.load_dataset("digits")
        parts = (LabelledImages(part.images, 9 - part.labels) for part in (given.train, given.test))
        return Dataset("digits", tuple(reversed(given.class_names)), *parts)

    plain = json.loads(run("evaluate", trained[0] / "model", "--data", "digits", "--json").out)
    monkeypatch.setattr(reading, "load_for_model", backwards)
    turned = json.loads(run("evaluate", trained[0] / "model", "--data", "digits", "--json").out)
    assert turned["closed_set_accuracy"] == pytest.approx(plain["closed_set_accuracy"])


def test_evaluate_refuses_other_classes_and_other_shapes(
    run: Callable[..., Ended], trained: tuple[Path, Ended], tmp_path: Path
) -> None:
    ended = run("evaluate", trained[0] / "model", "--data", folder_of_images(tmp_path / "letters", "ab"))
    assert ended.code == 2
    assert "has no images of the model's classes, 1, 2, 3" in ended.err
    assert ended.out == ""


def test_a_person_gets_a_table(
    run: Callable[..., Ended], trained: tuple[Path, Ended], tmp_path: Path
) -> None:
    far = folder_of_images(tmp_path / "noise", "ab")
    ended = run("evaluate", trained[0] / "model", "--data", "digits", "--ood", far)
    accuracy = json.loads(trained[1].out)["closed_set_accuracy"]
    assert f"known, without the reject option{100 * accuracy:>14.2f} %" in ended.out
    assert "unknown, rejected (36 images)" in ended.out
    assert "far set" in ended.out
    assert "report" not in ended.out  # the report's own figures are for its own experiment


def test_resume_without_a_checkpoint(run: Callable[..., Ended], tmp_path: Path) -> None:
    ended = run("train", "--data", "digits", "--out", tmp_path, "--resume", *SMALL)
    assert ended.code == 1
    assert ended.err.splitlines()[-1].startswith("euinet: There is no checkpoint to resume from in ")


# --- wrong usage ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "--data", "digit"], "There is no data set or folder 'digit'. Did you mean 'digits'?"),
        (
            ["train", "--data", "digits", "--hold-out", "10", "--precision", "32-true"],
            "There is no class '10' to hold out",
        ),
        (["train", "--data", "digits", "--preset", "reports"], "no preset 'reports'. Did you mean 'report'?"),
        (["train", "--data", "digits", "--set", "scoring.epsilo=0"], "Did you mean 'scoring.epsilon'?"),
        (
            ["train", "--data", "digits", "--set", "scoring.epsilon=-1"],
            "'scoring.epsilon' is not allowed (it was -1)",
        ),
        (["train", "--data", "digits", "--set", "scoring.epsilon"], "--set takes SETTING=VALUE"),
        (["reproduce", "--set", "training.epochs=few"], "'training.epochs' is not allowed (it was 'few')"),
        (["evaluate", "no-such-model", "--data", "digits"], "There is no model in no-such-model"),
        (["data", "fetch", "mnits"], "There is no data set or folder 'mnits'. Did you mean 'mnist'?"),
    ],
)
def test_wrong_values_get_one_sentence_and_exit_2(
    run: Callable[..., Ended],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = run(*arguments)
    assert ended.code == 2, ended
    assert ended.out == ""
    (line,) = ended.err.splitlines()
    assert line.startswith("euinet: ")
    assert sentence in line
    assert list(tmp_path.iterdir()) == []  # nothing was begun


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["tarin"], "No such command 'tarin'"),
        (["train"], "Give --data DATA, or --features TABLE for embeddings: one of them is needed."),
        (["train", "--data", "digits", "--device", "gpu"], "'gpu' is not one of"),
        (["train", "--data", "digits", "--seed", "-1"], "--seed"),
        (["train", "--data", "digits", "--epochs", "3"], "No such option: --epochs"),
    ],
)
def test_wrong_options_exit_2(run: Callable[..., Ended], arguments: list[str], named: str) -> None:
    ended = run(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert named in ended.err


def test_an_out_that_is_a_file_is_one_sentence(run: Callable[..., Ended], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "training").write_text("")
    ended = run("train", "--data", "digits", "--out", tmp_path / "out", *SMALL)
    assert ended.code == 1
    assert ended.err.splitlines()[-1].startswith("euinet: ")


# --- interruption --------------------------------------------------------------------------------


def test_ctrl_c_ends_with_130_and_a_checkpoint(tmp_path: Path) -> None:
    process = started(
        *("-m", "euinet", "train", "--data", "digits", "--out", tmp_path, "--json", *SMALL),
        *("--set", "training.epochs=5000"),
    )
    try:
        assert process.stderr is not None
        next(line for line in process.stderr if line.startswith("step "))
        os.kill(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert output == ""
    assert "Interrupted at step" in errors
    assert "the same command goes on from it" in errors
    assert "Traceback" not in errors
    assert (tmp_path / "training" / "checkpoint.pt").is_file()


def test_ctrl_c_outside_training_is_130_too(
    run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("euinet.data.sets.datasets.fetch_dataset", interrupted)
    ended = run("data", "fetch", "digits")
    assert ended.code == 130
    assert "Traceback" not in ended.err


def test_a_known_trouble_is_one_sentence_and_exit_1(
    run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise DataError("The disk of the mirror is on fire; try again tomorrow.")

    monkeypatch.setattr("euinet.data.sets.datasets.fetch_dataset", fail)
    ended = run("data", "fetch", "digits")
    assert ended == (1, "", "euinet: The disk of the mirror is on fire; try again tomorrow.\n")


def test_data_fetch_says_where_it_lies(run: Callable[..., Ended]) -> None:
    ended = run("data", "fetch", "digits", "--json")
    assert ended.code == 0
    found = json.loads(ended.out)
    assert found["data"] == "digits"
    assert Path(found["folder"]).is_dir()
    assert run("data", "fetch", "digits").out == f"digits is in {found['folder']}\n"
