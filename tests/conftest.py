"""Four classes of 8 × 8 images that differ in their bright quadrant, and settings small enough for them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric

from commands import Ended
from euinet import __main__ as program
from euinet.data.sets.datasets import load_dataset
from euinet.data.split.holdout import hold_out_classes, split_dataset
from euinet.export.save import save_model
from euinet.fitting import calibrated_model
from euinet.networks.euinet import EuiNet
from euinet.presets import Preset, get_preset
from euinet.records import Dataset, Split
from euinet.training.devices import make_fabric
from tiny import TINY, quadrants


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    """64 images: 10 a class to train with, 6 a class to test on."""
    generator = torch.Generator().manual_seed(7)
    names = ("north-west", "north-east", "south-west", "south-east")
    return Dataset("quadrants", names, quadrants(10, generator), quadrants(6, generator))


@pytest.fixture(scope="session")
def split(dataset: Dataset) -> Split:
    """Class 0 unknown; 18 images to train on, 9 to set ranges by, 3 to calibrate with."""
    return hold_out_classes(dataset, [0], validation_fraction=0.3, calibration_fraction=0.1)


@pytest.fixture(scope="session")
def fabric() -> Fabric:
    return make_fabric("cpu", "32-true")


@pytest.fixture(scope="session")
def make_preset() -> Callable[..., Preset]:
    """Tiny settings with some changed: make_preset({"training.epochs": 3})."""

    def make(changes: dict[str, Any] | None = None) -> Preset:
        texts = {path: v if isinstance(v, str) else json.dumps(v) for path, v in (changes or {}).items()}
        return get_preset("report", TINY | texts)

    return make


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder: weights drawn at random, calibrated with scikit-learn's digits 1 … 9, perturbing."""
    torch.manual_seed(0)
    changes = {"model.trunk_widths": "[4, 8]", "model.memory_per_class": "20", "scoring.epsilon": "0.02"}
    preset = get_preset("default", changes)
    network = EuiNet(preset.model, (1, 28, 28), 9)
    with torch.no_grad():
        network.train()(torch.randn(32, 1, 28, 28))  # BatchNorm's statistics
    split = split_dataset(load_dataset("digits"), ["0"], preset.data, 0)
    folder = tmp_path_factory.mktemp("digits") / "model"
    save_model(calibrated_model(network.eval(), split, preset, 0, 0.05), folder)
    return folder


@pytest.fixture(scope="session")
def random_images() -> Callable[..., torch.Tensor]:
    """uint8 images of any shape, the same for the same seed."""

    def make(*shape: int, seed: int = 0) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)

    return make


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run the program in this process, by the words of its command line."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")

    def call(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["euinet", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            program.run()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else int(code is not None), *capsys.readouterr())

    return call


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A mutant that lets Ctrl-C out of a test has failed it; mutmut would take it for its own and stop."""
    if "MUTANT_UNDER_TEST" in os.environ and session.exitstatus == pytest.ExitCode.INTERRUPTED:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
