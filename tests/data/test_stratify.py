from __future__ import annotations

import numpy as np

from euinet.data.split.stratify import turn_by_turn


def test_classes_take_turns_each_in_its_own_order() -> None:
    labels = np.array([0, 0, 0, 0, 1, 2, 2])
    turns = turn_by_turn(labels)
    assert labels[turns].tolist() == [0, 1, 2, 0, 2, 0, 0]
    assert turns.tolist() == [0, 4, 5, 1, 6, 2, 3]
