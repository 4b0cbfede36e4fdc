from __future__ import annotations

import pytest
import torch

from euinet.networks.memory import KnownMemory


def test_distance_by_hand() -> None:
    memory = KnownMemory(classes=3, per_class=1, features=2, neighbours=2)
    memory.remember(torch.tensor([[2.0, 0.0], [0.0, 5.0], [-1.0, 0.0]]), torch.tensor([0, 1, 2]))
    memory.whiten.copy_(torch.tensor([[0.5, 0.0], [0.0, 1.0]]))  # a deviation of 2 to the side, 1 upwards
    distance = memory(torch.tensor([[4.0, 0.0], [3.0, 3.0]]))
    # (4, 0): cosines 1, 0, −1, the two largest mean 0.5; two deviations of 2 from (2, 0): (1² + 0²) / 2
    # (3, 3): 0.7071 twice; from (2, 0) it is (0.5² + 3²) / 2, from (0, 5) (1.5² + 2²) / 2, which is less
    assert distance.exp().tolist() == pytest.approx([0.5 * 0.5, (1 - 2**-0.5) * 3.125], rel=2e-3)


def test_the_spread_is_that_within_classes() -> None:
    """Against the inverse covariance: what a class spreads along counts for less than what it does not."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(600) % 2
    centres = torch.tensor([[0.0, 20.0, 0.0], [20.0, 0.0, 0.0]])
    features = centres[labels] + torch.randn(600, 3, generator=generator) * torch.tensor([1.0, 1.0, 5.0])
    memory = KnownMemory(classes=2, per_class=4, features=3, neighbours=1)
    memory.remember(features, labels)
    around = torch.cat([features[labels == k] - features[labels == k].mean(dim=0) for k in (0, 1)])
    expected = torch.linalg.inv(around.T @ around / 600)
    torch.testing.assert_close(memory.whiten @ memory.whiten.T, expected, rtol=0.02, atol=0.01)
    torch.testing.assert_close(memory.means, centres, rtol=0, atol=1.0)
    aside, along = memory(centres[:1] + torch.tensor([[5.0, 0, 0], [0, 0, 5.0]]))
    assert aside > along + 1


def test_what_is_remembered_is_near_and_its_opposite_far() -> None:
    known = torch.randn(60, 8, generator=torch.Generator().manual_seed(0)) + 3
    memory = KnownMemory(classes=3, per_class=20, features=8, neighbours=1)
    memory.remember(known, torch.arange(60) % 3)
    assert memory(known).max() < memory(-known).min() - 3


def test_all_images_tell_the_spread_and_the_first_of_a_class_are_kept() -> None:
    memory = KnownMemory(classes=2, per_class=1, features=2, neighbours=1)
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.0, 3.0]])
    memory.remember(features, torch.tensor([0, 1, 0, 1]))
    assert memory.rows.tolist() == [[1, 0], [0, 1]]
    assert memory.means.tolist() == [[2, 0], [0, 2]]


def test_a_class_without_an_image_lies_where_all_do() -> None:
    memory = KnownMemory(classes=3, per_class=1, features=2, neighbours=1)
    memory.remember(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 2]))
    assert memory.means.tolist() == [[1, 0], [0.5, 0.5], [0, 1]]
    assert memory.whiten.isfinite().all()  # one image a class: no spread at all


def test_a_row_s_distance_is_its_own() -> None:
    memory = KnownMemory(classes=2, per_class=10, features=4, neighbours=3)
    generator = torch.Generator().manual_seed(1)
    memory.remember(torch.randn(20, 4, generator=generator), torch.arange(20) % 2)
    rows = torch.randn(9, 4, generator=generator)
    torch.testing.assert_close(memory(rows)[4:5], memory(rows[4:5]))


def test_rows_without_an_image_are_near_to_nothing() -> None:
    memory = KnownMemory(classes=5, per_class=1, features=2, neighbours=1)
    memory.remember(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1]))
    assert memory.rows.norm(dim=1).tolist() == pytest.approx([1, 1, 0, 0, 0])
    memory.means.fill_(1.0)  # leaves the rows to decide
    memory.whiten.copy_(torch.eye(2))
    assert memory(torch.tensor([[1.0, 3.0]])).exp().item() == pytest.approx((1 - 0.9**0.5) * 2, rel=0.02)


def test_nothing_to_remember_is_refused() -> None:
    with pytest.raises(ValueError, match="no known images"):
        KnownMemory(4, 1, 2, 1).remember(torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64))
