"""Benchmarks of four classes of 8 × 8 images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from euinet.benchmark import work
from euinet.benchmark.run import BenchmarkRequest, Ended, run_benchmark
from euinet.data.far.sets import FarSet
from euinet.presets import Preset
from euinet.records import Dataset


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """Sums in another order differ in their last digits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def settings(epochs: int) -> dict[str, Any]:
    return {
        "training.epochs": epochs,
        "training.optimizer.learning_rate": 0.01,
        "scoring.known_rejected": 0.11,  # ⌊0.11·(9 + 1)⌋: one of 9 validation images
        "scoring.epsilon": 0,
    }


@pytest.fixture(scope="session")
def quick(make_preset: Callable[..., Preset]) -> Preset:
    """Twelve epochs of two steps."""
    return make_preset(settings(12))


@pytest.fixture(scope="session")
def easy(make_preset: Callable[..., Preset]) -> Preset:
    """Settings under which the quadrants are learned and class 0 is told apart from them."""
    return make_preset(settings(40))


class Bench:
    """The benchmark of the quadrants, with some options changed; remembers what it was told."""

    def __init__(self, out: Path, preset: Preset) -> None:
        self.out, self.preset = out, preset
        self.said: list[str] = []

    def asked(self, **changes: Any) -> BenchmarkRequest:
        options: dict[str, Any] = {
            "data": "quadrants",
            "hold_out": "0;3",
            "seeds": 1,
            "preset": self.preset,
            "detectors": "EuiNet,maximum logit,MaxSoftmax",
            "far": (),
            "pseudo": False,
            "out": self.out,
            "jobs": 1,
            "device": "cpu",
            "precision": "32-true",
            "data_root": None,
        }
        return BenchmarkRequest(**options | changes)

    def run(self, **changes: Any) -> Ended:
        return run_benchmark(self.asked(**changes), self.said.append)


@pytest.fixture
def dataset_used() -> list[Dataset]:
    """What `load_dataset` gives: replace the entry to change it."""
    return []


@pytest.fixture
def bench(
    tmp_path: Path,
    quick: Preset,
    dataset: Dataset,
    dataset_used: list[Dataset],
    monkeypatch: pytest.MonkeyPatch,
) -> Bench:
    dataset_used.append(dataset)
    monkeypatch.setattr(work, "load_dataset", lambda *_arguments, **_options: dataset_used[0])
    monkeypatch.setattr(work, "load_far", noise)
    return Bench(tmp_path / "out", quick)


def noise(name: str, channels: int, size: int, *_arguments: Any, **_options: Any) -> FarSet:
    generator = torch.Generator().manual_seed(len(name))
    images = torch.randint(0, 256, (7, channels, size, size), generator=generator, dtype=torch.uint8).numpy()
    return FarSet(name, images, None)
