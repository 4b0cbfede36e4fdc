"""A record small enough to work out by hand, and one that is not."""

from __future__ import annotations

import numpy as np

from euinet.judging.record import RecordGroup, TestRecord
from euinet.model.conformal import Calibration

CALIBRATION = Calibration(
    np.array([5, 1, 9, 3, 2, 8, 4, 7, 6], np.float32), np.array([0, 0, 1, 0, 1, 1, 0, 1, 1]), 0.1
)
"""n = 9: α = 0.2 rejects what is above the 8th smallest, 8; class 0 has 1, 3, 4, 5, class 1 the rest."""


def small_record() -> TestRecord:
    """Six known images (three of each class), three of a held-out class, four of a far set."""
    groups = (
        RecordGroup("known", "known", 6, 6),
        RecordGroup("held-out 0", "near", 3, 3),
        RecordGroup("far", "far", 4, 40),
    )
    return TestRecord(
        data="hand-made",
        class_names=("a", "b"),
        groups=groups,
        #                  known: a a a  b b b  near       far
        ood_score=np.array([1, 8, 8.5, 2, 3, 30, 7, 8.5, 9, 8, 10, 20, 30], np.float32),
        best_class=np.array([0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0]),
        true_class=np.array([0, 0, 0, 1, 1, 1, *[-1] * 7]),
        model="0" * 64,
    )


def random_record(seed: int, *, per_class: bool = False) -> tuple[TestRecord, Calibration]:
    """300 test images of three classes, and 150 calibration images, with many equal scores."""
    generator = np.random.default_rng(seed)
    sizes = (200, 60, 40)
    kinds = (("known", "known"), ("held-out 3", "near"), ("far", "far"))
    groups = tuple(RecordGroup(name, kind, n, n) for (name, kind), n in zip(kinds, sizes, strict=True))  # type: ignore[arg-type]
    score = np.concatenate([generator.normal(2 * k, 1, n) for k, n in enumerate(sizes)]).round(2)
    true = np.concatenate([generator.integers(0, 3, 200), np.full(100, -1)])
    best = np.where((true >= 0) & (generator.random(300) < 0.9), true, generator.integers(0, 3, 300))
    record = TestRecord("random", ("a", "b", "c"), groups, score.astype(np.float32), best, true, "0" * 64)
    scores = generator.normal(0, 1, 150).round(2).astype(np.float32)
    return record, Calibration(scores, np.arange(150) % 3, 0.05, per_class)
