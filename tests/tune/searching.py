"""Searches over images of five classes: in this process, or as the command, from a folder of them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from euinet.presets import get_preset
from euinet.records import LabelledImages
from euinet.tune.plan import SearchRequest
from euinet.tune.run import run_search
from euinet.tune.space import choose_space
from euinet.tune.trial import TrialResult

CLASSES = ("a", "b", "c", "d", "e")
FIXED = {
    "data.augmentation": "0",
    "data.stitched": "0",
    "data.fewest_validation": "1",
    "data.validation_fraction": "0.3",
    "data.calibration_fraction": "0.1",
    "data.fewest_calibration": "1",
    "model.trunk_widths": "[4, 8]",
    "training.epochs": "1",
    "training.min_steps": "1",
    "training.batch_size": "4",
    "training.average_decay": "0",
    "gan.generator": "dense",
    "gan.latent_size": "4",
    "gan.width": "4",
    "gan.batch_size": "8",
    "scoring.epsilon": "0",
    "scoring.known_rejected": "0.1",
}
SEARCH = (
    "training.optimizer.learning_rate=1e-4..1e-2:log",
    "scoring.disc_scale=0..0.02",
    "model.disc_hidden=4|8",
)


def bars(images_a_class: int, seed: int) -> LabelledImages:
    """Classes of 16 × 16 images that differ in where a bright bar lies."""
    generator = torch.Generator().manual_seed(seed)
    labels = np.arange(len(CLASSES) * images_a_class) % len(CLASSES)
    images = torch.randint(0, 90, (len(labels), 1, 16, 16), generator=generator, dtype=torch.uint8).numpy()
    for image, label in zip(images, labels.tolist(), strict=True):
        image[:, 3 * label : 3 * label + 3] += 150
    return LabelledImages(images, labels)


def write_images(folder: Path, images: LabelledImages) -> None:
    for at, (image, label) in enumerate(zip(images.images, images.labels.tolist(), strict=True)):
        path = folder / CLASSES[label] / f"{at:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0]).save(path)


class Search:
    """A search with some options changed; remembers what it was told."""

    def __init__(self, data: Path, out: Path) -> None:
        self.data, self.out = data, out
        self.said: list[str] = []

    def asked(self, **changes: Any) -> SearchRequest:
        fixed = FIXED | changes.pop("fixed", {})
        preset = get_preset("report", fixed)
        options: dict[str, Any] = {
            "data": str(self.data),
            "hold_out": "a",
            "preset": preset,
            "fixed": fixed,
            "space": choose_space(preset, changes.pop("search", SEARCH), fixed),
            "trials": 4,
            "splits": 2,
            "seeds": 1,
            "seed": 0,
            "objective": "auroc",
            "out": self.out,
            "jobs": 1,
            "device": "cpu",
            "precision": "32-true",
            "data_root": None,
        }
        return SearchRequest(**options | changes)

    def run(self, **changes: Any) -> tuple[TrialResult, ...]:
        return run_search(self.asked(**changes), self.said.append)


def arguments(data: Path, out: Path, **changes: str) -> list[str]:
    """The command's arguments for `Search` of the same options; `changes` are settings."""
    sets = [part for name, text in (FIXED | changes).items() for part in ("--set", f"{name}={text}")]
    searches = [part for spec in SEARCH for part in ("--search", spec)]
    where = ["--data", str(data), "--hold-out", "a", "--preset", "report", "--out", str(out)]
    return ["tune", *where, *sets, *searches, "--device", "cpu", "--precision", "32-true"]


Start = Callable[..., "subprocess.Popen[str]"]


def wait_until(true: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 150) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)
