"""An inbox of 8 × 8 images that are bright in one quadrant, for a model that is a few lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from euinet.answers import Answer
from euinet.inbox import Inbox, Limits
from euinet.inbox.pictures import Pixels
from euinet.inbox.subject import Subject
from euinet.model.conformal import Calibration

FAST = Limits(per_second=1e9)


def quadrant(which: int, seed: int) -> Pixels:
    """An image whose bright quadrant is `which`, 0 … 3; another for another seed."""
    pixels = np.random.default_rng([which, seed]).integers(0, 60, (1, 8, 8), np.uint8)
    row, column = divmod(which, 2)
    pixels[:, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 150
    return pixels


def answer(
    *,
    rejected: bool = True,
    p_value: float | None = 0.005,
    best_class: str = "a",
    ood_score: float = 1.5,
) -> Answer:
    label = None if rejected else best_class
    return Answer(label, best_class, rejected, ood_score, p_value, 0.9, {"a": 0.06, "b": 0.04})


SUBJECT = Subject(
    key="the-model",
    class_names=("a", "b"),
    shape=(1, 8, 8),
    alpha=0.01,
    calibration=Calibration(np.linspace(-3, 1, 199), np.arange(199) % 2, 0.01),
    features=lambda pixels: pixels.reshape(len(pixels), -1).astype(np.float32),
    answer=lambda pixels: answer(p_value=float(pixels.mean() / 255)),
)


def make_inbox(folder: Path, limits: Limits = FAST, **changes: Any) -> Inbox:
    warn: Callable[[str], None] = changes.pop("warn", lambda sentence: None)
    return Inbox.open(folder, replace(SUBJECT, **changes), limits, warn)


def fill(inbox: Inbox, *counts: int, start: int = 0) -> None:
    """Offer so many rejected images of quadrant 0, 1, …, and wait until they are kept."""
    for which, count in enumerate(counts):
        for seed in range(start, start + count):
            assert inbox.offer(quadrant(which, seed), answer(), f"{which}-{seed}.png")
    inbox.flush()
