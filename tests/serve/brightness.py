"""A made-up predictor that says how bright an image is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

from euinet.answers import Answers
from euinet.images.preprocessing import Preprocessing
from euinet.predict.engine import Facts


class Brightness:
    """Answers dark or light by the mean, and none of these above 250; it can be held up."""

    def __init__(self) -> None:
        self.facts = Facts("brightness", ("dark", "light"), Preprocessing(1, 4), 0.1, 9)
        self.batches: list[int] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def predict(self, pixels: np.ndarray) -> Answers:
        self.batches.append(len(pixels))
        assert self.go_on.wait(20)
        mean = pixels.reshape(len(pixels), -1).mean(axis=1)
        best = (mean > 127).astype(np.int64)
        return Answers(
            class_names=self.facts.class_names,
            labels=np.where(mean > 250, -1, best),
            best_classes=best,
            ood_score=mean,
            p_value=np.full(len(pixels), 0.5),
            probabilities=np.full((len(pixels), 3), 1 / 3),
        )


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until it holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)
