"""The hand-made light meter as a model that tells of its batches, and can be held up or made to fail."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from decision_files import content
from euinet.answers import Answers
from euinet.model.model import Model


class Watched(Model):
    """Dark up to 50, light up to 99, none of these above; `before` is told each batch's number beforehand."""

    def __init__(self, file: bytes | None = None, before: Callable[[int], None] = lambda _: None) -> None:
        super().__init__(content() if file is None else file, "meter", threads=1)
        self.batches: list[int] = []  # how many images each had
        self.before = before
        self.go_on = threading.Event()
        self.go_on.set()

    def answer(self, pixels: np.ndarray) -> Answers:
        number = len(self.batches)
        self.batches.append(len(pixels))
        self.before(number)
        assert self.go_on.wait(20)
        return super().answer(pixels)
