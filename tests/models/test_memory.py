from __future__ import annotations

import math

import pytest
import torch

from euinet.models.memory import KnownMemory, turn_by_turn


def test_distance_by_hand() -> None:
    memory = KnownMemory(rows=3, features=2, neighbours=2)
    memory.remember(torch.tensor([[2.0, 0.0], [0.0, 5.0], [-1.0, 0.0]]), torch.tensor([0, 1, 2]))
    # (1, 0): cosines 1, 0, −1, the two largest mean 0.5; (1, 1): 0.7071, 0.7071
    distance = memory(torch.tensor([[4.0, 0.0], [3.0, 3.0]]))
    assert distance.tolist() == pytest.approx([math.log(0.5), math.log(1 - 2**-0.5)], abs=1e-3)


def test_what_is_remembered_is_near_and_its_opposite_far() -> None:
    known = torch.randn(60, 8, generator=torch.Generator().manual_seed(0)) + 3
    memory = KnownMemory(rows=60, features=8, neighbours=1)
    memory.remember(known, torch.arange(60) % 3)
    assert memory(known).max() < math.log(2e-3)
    assert memory(-known).min() > 0


def test_classes_take_turns() -> None:
    labels = torch.tensor([0, 0, 0, 0, 1, 2, 2])
    assert labels[turn_by_turn(labels)].tolist() == [0, 1, 2, 0, 2, 0, 0]


def test_a_row_s_distance_is_its_own() -> None:
    memory = KnownMemory(rows=20, features=4, neighbours=3)
    generator = torch.Generator().manual_seed(1)
    memory.remember(torch.randn(20, 4, generator=generator), torch.arange(20) % 2)
    rows = torch.randn(9, 4, generator=generator)
    torch.testing.assert_close(memory(rows)[4:5], memory(rows[4:5]))


def test_rows_without_an_image_are_near_to_nothing() -> None:
    memory = KnownMemory(rows=5, features=2, neighbours=1)
    memory.remember(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1]))
    assert memory.rows.norm(dim=1).tolist() == pytest.approx([1, 1, 0, 0, 0])
    assert memory(torch.tensor([[1.0, 1.0]])).exp().item() == pytest.approx(1 - 2**-0.5, abs=1e-3)


def test_nothing_to_remember_is_refused() -> None:
    with pytest.raises(ValueError, match="no known images"):
        KnownMemory(4, 2, 1).remember(torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64))
