from __future__ import annotations

import numpy as np
import pytest

from euinet.data.split.stratify import stratified_positions, turn_by_turn
from euinet.errors import DataError


def test_classes_take_turns_each_in_its_own_order() -> None:
    labels = np.array([0, 0, 0, 0, 1, 2, 2])
    turns = turn_by_turn(labels)
    assert labels[turns].tolist() == [0, 1, 2, 0, 2, 0, 0]
    assert turns.tolist() == [0, 4, 5, 1, 6, 2, 3]


def test_how_many_images_are_needed_is_told_however_many_they_are() -> None:
    labels = np.zeros(3, np.int64)
    with pytest.raises(DataError, match=r"at least \d{4} are needed"):
        stratified_positions(labels, [0], ["a"], (0.999, 0.0005), 0)
