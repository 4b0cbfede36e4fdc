"""A backbone, a classifier, more classes on the command line: one round each, and what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import euinet
from backbones import draw_images, image_folder, save_backed, write_images
from classifiers import made, onnx_file
from commands import Ended

FEW = ("--set", "training.min_steps=30", "--set", "model.memory_per_class=10", "--set", "model.disc_hidden=8")
Run = Callable[..., Ended]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of photographs, a model on a backbone that knows three of its four classes, a classifier."""
    folder = tmp_path_factory.mktemp("bringing")
    data = image_folder(folder / "data", 60, seed=0)
    save_backed(data, folder / "cache", folder / "model")
    write_images(folder / "more" / "emu", draw_images(9, (230, 60, 200), seed=8))
    image_folder(folder / "known", 50, seed=4, classes=("bird", "cat", "dog"))
    (folder / "classifier.onnx").write_bytes(onnx_file(made(), dynamo=False))
    return folder


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program runs where these lie."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("EUINET_CACHE", str(place / "cache"))
    return place


def said(ended: Ended) -> str:
    """The last line of standard error: the one sentence."""
    assert ended.out == ""
    return ended.err.strip().splitlines()[-1]


class TestExtend:
    def test_a_class_more_is_told_and_written(self, run: Run, here: Path, tmp_path: Path) -> None:
        ended = run("extend", "model", "--data", "more", "--out", tmp_path / "new", "--json")
        assert ended.code == 0, ended.err
        told = json.loads(ended.out)
        assert told["new_classes"] == ["emu"]
        assert told["added"] == {"emu": 9}
        assert told["classes"] == ["bird", "cat", "dog", "emu"]
        assert euinet.load(tmp_path / "new").class_names == ("bird", "cat", "dog", "emu")

    def test_the_sentence_for_people_says_what_came(self, run: Run, here: Path, tmp_path: Path) -> None:
        ended = run("extend", "model", "--data", "more", "--alpha", "0.2", "--out", tmp_path / "new")
        assert ended.code == 0, ended.err
        assert ended.out.startswith("New classes: emu. Images added: emu (9). At most 20 % of known images")

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("mnist-without-0", "--data", "more"), "cannot be given classes: only the folder of a model"),
            (("model", "--data", "nowhere"), "nowhere leads to nothing: give a folder of class folders"),
            (("no-model", "--data", "more"), "no-model"),
        ],
    )
    def test_wrong_uses(
        self, run: Run, here: Path, tmp_path: Path, arguments: tuple[str, ...], sentence: str
    ) -> None:
        ended = run("extend", *arguments, "--out", tmp_path / "new")
        assert ended.code in (1, 2)
        assert sentence in said(ended)
        assert not (tmp_path / "new").exists()


class TestTrain:
    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("--backbone", "efficientnet-lite9"), "There is no published network 'efficientnet-lite9'"),
            (("--finetune", "2"), "--finetune opens the last stages of a --backbone with weights"),
            (
                ("--backbone", "efficientnet-lite0", "--weights", "none", "--finetune", "2"),
                "--finetune opens the last stages of a --backbone with weights",
            ),
            (("--weights", "some.pth"), "--weights"),
            (("--labels", "y.csv"), "--labels"),
            (("--features", "X.npy"), "--features"),
        ],
    )
    def test_wrong_uses(self, run: Run, here: Path, arguments: tuple[str, ...], sentence: str) -> None:
        ended = run("train", "--data", "data", *arguments, "--out", "never", *FEW)
        assert ended.code in (1, 2)
        assert sentence in said(ended)
        assert not (here / "never" / "model").exists()


class TestAttach:
    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("classifier.onnx", "--data", "nowhere"), "nowhere does not exist: give image files, folders"),
            (("nothing.onnx", "--data", "known"), "nothing.onnx"),
            (("classifier.onnx", "--data", "known", "--classes", "bird,cat"), "classifier's"),
            (("classifier.onnx", "--data", "known", "--normalise", "sideways"), "sideways"),
            (("classifier.onnx", "--data", "known", "--alpha", "2"), "alpha is 2"),
        ],
    )
    def test_wrong_uses(self, run: Run, here: Path, arguments: tuple[str, ...], sentence: str) -> None:
        ended = run("attach", *arguments, "--out", "never")
        assert ended.code in (1, 2)
        assert sentence in said(ended)
        assert not (here / "never").exists()


class TestJudged:
    def test_images_that_were_learned_from_cannot_calibrate(
        self, run: Run, here: Path, tmp_path: Path
    ) -> None:
        ended = run("calibrate", "model", "--data", "data/bird", "--alpha", "0.2", "--out", tmp_path / "new")
        assert ended.code in (1, 2)
        assert not (tmp_path / "new").exists()

    def test_known_and_far_photographs_are_judged_by_what_the_backbone_makes_of_them(
        self, run: Run, here: Path, tmp_path: Path
    ) -> None:
        write_images(tmp_path / "far", draw_images(30, (5, 5, 5), seed=3))
        image_folder(tmp_path / "fresh", 20, seed=6, classes=("bird", "cat", "dog"))
        arguments = ("--data", tmp_path / "fresh", "--ood", tmp_path / "far", "--json")
        ended = run("evaluate", "model", *arguments)
        assert ended.code == 0, ended.err
        metrics = json.loads(ended.out)
        model = euinet.load("model")
        far = model.predict(tmp_path / "far").rejected.mean()
        (found,) = metrics["far"].values()
        assert found["ood_accuracy"] == pytest.approx(float(np.asarray(far)))
        assert metrics["n_id"] == 60
        assert metrics["closed_set_accuracy"] > 0.9
