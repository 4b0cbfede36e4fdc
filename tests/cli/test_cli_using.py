"""What uses a model, as it is called, on a network whose weights were drawn at random."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import euinet
from commands import Ended
from euinet.answers import Answers
from euinet.data.sets.datasets import load_dataset
from euinet.model.model import Model
from euinet.records import Dataset
from euinet.trained.model import load_trained


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.fixture
def model(digits_folder: Path) -> Path:
    return digits_folder


@pytest.fixture
def photos(tmp_path: Path, digits: Dataset) -> Path:
    """Thirty digits as files, and one that is broken."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for index, image in enumerate(digits.test.images[:30]):
        Image.fromarray(image[0]).save(folder / f"{index:02}.png")
    (folder / "99.png").write_bytes(b"broken")
    return folder


def test_predict_has_a_row_for_every_image(
    run: Callable[..., Ended], model: Path, photos: Path, digits: Dataset
) -> None:
    ended = run("predict", model, photos, "--json", "--device", "cpu")
    assert ended.code == 0, ended.err
    document = json.loads(ended.out)
    rows = document["predictions"]
    assert [Path(row["path"]).name for row in rows] == [*(f"{i:02}.png" for i in range(30)), "99.png"]
    assert rows[-1].keys() == {"path", "error"}
    answers = euinet.load(model).answer(digits.test.images[:30])
    for row, answer in zip(rows, answers, strict=False):
        assert row["label"] == answer.label
        assert row["rejected"] == (row["label"] is None)
        assert row["ood_score"] == pytest.approx(answer.ood_score, abs=1e-5)
        assert row["p_value"] == answer.p_value
        assert sum(row["probabilities"].values()) + row["reject_probability"] == pytest.approx(1, abs=1e-5)
        assert list(row["probabilities"]) == list("123456789")
    assert (document["images"], document["broken"]) == (31, 1)
    assert document["drift"]["images"] == 30
    assert "1 of 31 images could not be answered." in ended.err
    network = load_trained(model).decide(digits.test.images[:30])
    apart = np.abs(np.array([row["ood_score"] for row in rows[:-1]]) - network.ood_score)
    assert np.count_nonzero(apart > 1e-4) <= 1  # a perturbation jumps where a gradient is 0


def test_predict_writes_for_people_and_for_programs(
    run: Callable[..., Ended], model: Path, photos: Path, tmp_path: Path
) -> None:
    table = run("predict", model, photos / "00.png").out
    assert table.split()[:4] == ["image", "answer", "p-value", "score"]
    (row,) = csv.DictReader(io.StringIO(run("predict", model, photos / "00.png", "--csv").out))
    assert row["path"] == str(photos / "00.png")
    ended = run("predict", model, photos, "--out", tmp_path / "rows.csv")
    assert (ended.code, ended.out) == (0, "")
    assert f"Wrote 31 rows to {tmp_path / 'rows.csv'}." in ended.err
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 32


def test_fail_on_ood_ends_with_1_only_for_what_is_odd(
    run: Callable[..., Ended], model: Path, photos: Path, tmp_path: Path
) -> None:
    rows = json.loads(run("predict", model, photos, "--json").out)["predictions"]
    accepted = next(row["path"] for row in rows if row.get("label"))
    assert run("predict", model, accepted, "--fail-on-ood").code == 0
    assert run("predict", model, accepted, photos / "99.png", "--fail-on-ood").code == 1
    assert run("predict", model, accepted, photos / "99.png").code == 0
    np.save(tmp_path / "noise.npy", np.random.default_rng(0).integers(0, 256, (50, 28, 28), np.uint8))
    rows = json.loads(run("predict", model, tmp_path / "noise.npy", "--json").out)["predictions"]
    code = run("predict", model, tmp_path / "noise.npy", "--fail-on-ood").code
    assert code == int(any(row["rejected"] for row in rows))


def test_what_predict_cannot_do_is_one_sentence(run: Callable[..., Ended], model: Path, photos: Path) -> None:
    for arguments, code, sentence in (
        ((model, photos / "nowhere.png"), 2, "nowhere.png does not exist: give image files"),
        ((model, photos / "99.png"), 1, "No image could be answered: see their rows."),
        ((model, photos, "--csv", "--json"), 2, "--csv and --json cannot both be printed"),
        ((model, photos, "--out", "rows.xlsx"), 2, "results are written as .csv, .json, .parquet"),
        (("mnist-witout-4", photos), 2, "Did you mean 'mnist-without-4'?"),
    ):
        ended = run("predict", *arguments)
        assert (ended.code, ended.err.count("Traceback")) == (code, 0)
        assert sentence in ended.err.splitlines()[-1]


def test_predict_goes_on_where_it_was_broken_off(
    run: Callable[..., Ended], model: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out = tmp_path / "whole" / "rows.csv", tmp_path / "rows.csv"
    small = ("--device", "cpu", "--part-images", "7")  # five parts, the last of three images
    assert run("predict", model, photos, "--out", whole, *small).code == 0
    original, calls = Model.answer, []

    def broken_off(self: Model, pixels: np.ndarray) -> Answers:
        calls.append(len(pixels))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(self, pixels)

    monkeypatch.setattr(Model, "answer", broken_off)
    ended = run("predict", model, photos, "--out", out, *small)
    assert ended.code == 130
    assert "2 of 5 parts are finished; the same command goes on." in ended.err
    assert not out.exists()
    ended = run("predict", "mnist-without-0", photos, "--out", out, *small)
    assert ended.code == 2
    assert "holds 2 finished parts of an unfinished run with another model: repeat that command" in ended.err
    calls[:] = [0] * 10
    ended = run("predict", model, photos, "--out", out, *small)
    assert ended.err.startswith("Going on: 2 of 5 parts were finished by an earlier run.\n")
    assert "1 of 31 images could not be answered." in ended.err
    assert calls[10:] == [7, 7, 2]  # the last part's third image is broken
    assert out.read_bytes() == whole.read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_predict_reads_parquet_and_prints_beside_a_file(
    run: Callable[..., Ended], model: Path, photos: Path, tmp_path: Path
) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    files = sorted(photos.iterdir())
    table = {"path": [path.name for path in files], "bytes": [path.read_bytes() for path in files]}
    parquet.write_table(arrow.table(table), tmp_path / "photos.parquet")
    ended = run("predict", model, tmp_path / "photos.parquet", "--out", tmp_path / "rows.csv", "--csv")
    assert ended.out == (tmp_path / "rows.csv").read_text()
    printed = (ended.out, run("predict", model, photos, "--csv").out)
    found, expected = (list(csv.DictReader(io.StringIO(text))) for text in printed)
    assert [row["path"] for row in found] == [path.name for path in files]
    for one, other in zip(found, expected, strict=True):
        assert {**one, "path": "", "error": ""} == {**other, "path": "", "error": ""}


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--fresh",), "--fresh is about what a run with --out left: give --out, too."),
        (("--workers", "2"), "--workers are Ray's: give --engine ray, too."),
        (("--engine", "ray"), "--engine ray writes a file and prints no rows: give --out"),
        (("--engine", "ray", "--out", "rows.csv", "--csv"), "--engine ray writes a file and prints no rows"),
        (("--engine", "ray", "--out", "rows.csv", "--device", "mps"), "choose one of these as --device."),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    run: Callable[..., Ended], model: Path, photos: Path, more: tuple[str, ...], sentence: str
) -> None:
    ended = run("predict", model, photos, *more)
    assert ended.code == 2
    assert sentence in ended.err


def test_without_ray_it_says_what_to_install(
    run: Callable[..., Ended], model: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # importing it raises ImportError
    ended = run("predict", model, photos, "--out", tmp_path / "rows.csv", "--engine", "ray")
    assert ended.code == 2
    assert ended.err.strip() == (
        "euinet: --engine ray needs the package ray: install it with pip install 'euinet[scale]'."
    )
    assert not list(tmp_path.glob("*rows*"))


def test_calibrate_then_predict(run: Callable[..., Ended], model: Path, photos: Path, tmp_path: Path) -> None:
    before = json.loads(run("predict", model, photos, "--json").out)["predictions"][:-1]
    ended = run("calibrate", model, "--data", "digits", "--alpha", "0.4", "--out", tmp_path / "m", "--json")
    assert ended.code == 0, ended.err
    said = json.loads(ended.out)
    assert said["source"] == "the calibration part of digits"
    after = json.loads(run("predict", tmp_path / "m", photos, "--json").out)["predictions"][:-1]
    for old, new in zip(before, after, strict=True):
        assert old["ood_score"] == new["ood_score"]
        assert old["p_value"] == pytest.approx(new["p_value"], abs=1e-6)
        assert new["rejected"] == (new["p_value"] <= 0.4)
        assert old["rejected"] == (old["p_value"] <= 0.05)


def test_a_promise_that_cannot_be_made_changes_nothing(run: Callable[..., Ended], model: Path) -> None:
    before = {path: path.read_bytes() for path in model.iterdir()}
    ended = run("calibrate", model, "--alpha", "0.0001")
    assert ended.code == 2
    assert "at least 9999 are needed" in ended.err
    assert {path: path.read_bytes() for path in model.iterdir()} == before


def test_train_takes_a_folder_of_unknowns_for_the_test_alone(
    run: Callable[..., Ended], tmp_path: Path
) -> None:
    generator = np.random.default_rng(0)
    for name in ("up", "down"):
        (tmp_path / "known" / name).mkdir(parents=True)
        for index in range(40):
            pixels = generator.integers(0, 120, (20, 30, 3), np.uint8)
            pixels[:10] += np.uint8(120 * (name == "up"))
            pixels[10:] += np.uint8(120 * (name == "down"))
            Image.fromarray(pixels).save(tmp_path / "known" / name / f"{index}.png")
    (tmp_path / "odd").mkdir()
    Image.fromarray(np.full((20, 20, 3), 255, np.uint8)).save(tmp_path / "odd" / "white.png")
    small = [
        *(
            "--set",
            "training.epochs=1",
            "--set",
            "training.min_steps=2",
            "--set",
            "model.trunk_widths=[4, 8]",
        ),
        *("--set", "gan.generator=dense", "--set", "model.memory_per_class=5", "--precision", "32-true"),
        *("--set", "scoring.known_rejected=0.2", "--set", "disc.outliers=13", "--device", "cpu"),
    ]
    ended = run(
        *("train", "--data", tmp_path / "known", "--image-size", "16", "--ood", tmp_path / "odd"),
        *("--out", tmp_path / "out", "--json", *small),
    )
    assert ended.code == 0, ended.err
    metrics = json.loads(ended.out)
    assert metrics["far"][str(tmp_path / "odd")]["n_ood"] == 1
    assert (metrics["n_id"], metrics["n_ood"]) == (16, 0)
    # 64 known training images: 0.2 of each class's 32 to set ranges by, and as many to calibrate
    assert "40 images to train on, 12 to set ranges by, 12 to calibrate the threshold" in ended.err
    assert "alpha 0.01 needs 99 calibration images, but there are 12: it is 0.077 here." in ended.err
    assert metrics["alpha"] == 0.077
    card = load_trained(tmp_path / "out" / "model").card
    assert (card.channels, card.image_size, card.class_names) == (3, 16, ("down", "up"))
    rows = json.loads(run("predict", tmp_path / "out" / "model", tmp_path / "odd", "--json").out)
    assert rows["predictions"][0]["path"].endswith("white.png")
