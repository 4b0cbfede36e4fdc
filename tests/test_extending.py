"""docs/extending.md does what it says: its package is put together from its own text, and used."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from commands import Ended
from euinet.data.sets.datasets import DATASETS, load_dataset
from euinet.detectors import DETECTORS
from euinet.errors import UnknownNameError
from euinet.model.opening import load
from euinet.networks.trunks import BACKBONES
from plugins import install
from tiny import TINY

TEXT = (Path(__file__).parents[1] / "docs/extending.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
_SETTINGS = TINY | {"training.epochs": "1", "training.batch_size": "36", "model.backbone": "plain"}
QUICK = ["--preset", "report", "--device", "cpu", "--json"]
QUICK += [word for item in _SETTINGS.items() for word in ("--set", "=".join(item))]


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Install the package, and beside it one that is broken; both are gone once the patches are undone."""
    (project,) = (tomllib.loads(block)["project"] for kind, block in BLOCKS if kind == "toml")
    modules = {"zoo.__init__": ""}
    for block in (block for kind, block in BLOCKS if kind == "python"):
        path, source = block.split("\n", 1)
        modules[path.removeprefix("# ").removesuffix(".py").replace("/", ".")] = source
    broken = {group: {"broken": "broken_zoo"} for group in project["entry-points"]}
    with pytest.MonkeyPatch.context() as patch:
        for registry in (BACKBONES, DATASETS, DETECTORS):
            for kept in ("_entries", "_modules"):
                patch.setattr(registry, kept, dict(getattr(registry, kept)))
        patch.syspath_prepend(install(tmp_path / "zoo", "zoo", modules, project["entry-points"]))
        source = {"broken_zoo": "raise RuntimeError('no animals')"}
        patch.syspath_prepend(install(tmp_path / "broken", "broken-zoo", source, broken))
        yield patch
        for name in [name for name in sys.modules if name.partition(".")[0] == "zoo"]:
            del sys.modules[name]


def test_each_is_shorter_than_twenty_lines() -> None:
    """Of code: without imports, blank lines and the line with the file's name."""
    for _, block in BLOCKS:
        lines = [
            line for line in block.splitlines() if line and not line.startswith(("#", "from ", "import "))
        ]
        assert len(lines) < 20


def test_a_model_is_trained_on_the_data_set_with_the_backbone_and_answers_without_them(
    zoo: pytest.MonkeyPatch, run: Callable[..., Ended], tmp_path: Path
) -> None:
    model = tmp_path / "run" / "model"
    ended = run("train", "--data", "stripes", "--hold-out", "grid", "--out", model.parent, *QUICK)
    assert ended.code == 0, ended.err
    metrics = json.loads(ended.out)
    assert (metrics["data"], metrics["n_id"], metrics["n_ood"]) == ("stripes", 200, 100)
    config = json.loads((model / "config.json").read_text())
    assert config["class_names"] == ["across", "down"]
    assert config["preset"]["model"]["backbone"] == "plain"
    assert load_file(model / "model.safetensors")["trunk.stages.1.0.weight"].shape == (64, 32, 3, 3)

    across, down = load_dataset("stripes").test.images[:2]
    np.save(tmp_path / "images.npy", np.stack([across, down]))
    zoo.undo()
    assert "plain" not in BACKBONES
    ended = run("predict", model, tmp_path / "images.npy", "--json")
    assert ended.code == 0, ended.err
    first, second = json.loads(ended.out)["predictions"]
    assert first["probabilities"] != second["probabilities"]
    with pytest.raises(UnknownNameError, match="There is no backbone 'plain'"):
        load(model).torch()


@pytest.mark.usefixtures("zoo")
def test_the_detector_is_benchmarked_beside_others(run: Callable[..., Ended], tmp_path: Path) -> None:
    words = ("--data", "stripes", "--hold-out", "grid", "--seeds", "1", "--out", tmp_path / "run")
    ended = run("benchmark", *words, "--detectors", "Margin,MaxLogit", *QUICK)
    assert ended.code == 0, ended.err
    rows = {row["detector"]: row for row in json.loads(ended.out)["detectors"]}
    assert set(rows) == {"EuiNet", "margin", "MaxLogit"}


@pytest.mark.usefixtures("zoo")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("train", "--data", "broken"), "The data set 'broken' of the package broken-zoo cannot be used ("),
        (
            ("train", "--data", "stripes", "--set", "model.backbone=broken"),
            "The backbone 'broken' of the package broken-zoo cannot be used (RuntimeError: no animals): ",
        ),
        (("benchmark", "--data", "stripes", "--detectors", "broken"), "The detector 'broken' of the package"),
        (("train", "--data", "stripe"), "Did you mean 'stripes'? Give one of mnist, "),
    ],
    ids=["data set", "backbone", "detector", "misspelt"],
)
def test_what_is_broken_or_misspelt_is_one_sentence(
    run: Callable[..., Ended], tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    ended = run(*words, "--out", tmp_path / "run")
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert sentence in ended.err
