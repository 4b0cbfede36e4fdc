"""Each kind of pseudo-outlier among embeddings, against what its docstring says."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from euinet.augmentations.vectors import (
    MAKERS,
    Maker,
    beyond,
    crossed,
    noise,
    rescaled,
    scattered,
    vector_outliers,
)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def rows() -> Tensor:
    """2,000 rows of 6 numbers, each with a mean and a deviation of its own."""
    drawn = torch.randn(2000, 6, generator=stream(1))
    return 10 * torch.arange(6.0) + drawn * (1 + torch.arange(6.0))


@pytest.fixture
def others(rows: Tensor) -> Tensor:
    return rows.flip(0) + 100


def test_beyond_lies_on_the_line_from_the_other_row_behind_this_one(rows: Tensor, others: Tensor) -> None:
    made = beyond(rows, others, stream())
    behind = (made - rows) / (rows - others)
    share = behind.mean(dim=1, keepdim=True)
    torch.testing.assert_close(behind, share.expand_as(behind), rtol=1e-4, atol=1e-4)  # on the line
    assert 0.5 <= share.min() < 0.51
    assert 1.99 < share.max() <= 2.0001
    assert share.mean() == pytest.approx(1.25, abs=0.03)  # evenly spread: 0.43 / √2000 is a deviation


def test_crossed_takes_each_number_from_one_of_the_two_rows(rows: Tensor, others: Tensor) -> None:
    made = crossed(rows, others, stream())
    own, other = made == rows, made == others
    assert (own ^ other).all()
    assert own.float().mean() == pytest.approx(0.5, abs=0.02)
    assert (own.any(dim=1) & other.any(dim=1)).float().mean() > 0.9  # drawn for each number, not each row


def test_scattered_takes_each_number_from_a_row_of_its_own(rows: Tensor, others: Tensor) -> None:
    made = scattered(rows, others, stream())
    came_from = (made.unsqueeze(1) == rows.unsqueeze(0)).int()  # (B, B, F)
    assert (came_from.amax(dim=1) == 1).all(), "each number stands in its column of some row"
    places = came_from.argmax(dim=1)
    assert (places != places[:, :1]).any(dim=1).float().mean() > 0.99
    # what goes together is lost, how each number spreads is kept
    torch.testing.assert_close(made.std(dim=0), rows.std(dim=0), rtol=0.1, atol=0)


def test_rescaled_is_faint_or_strong(rows: Tensor, others: Tensor) -> None:
    factor = (rescaled(rows, others, stream()) / rows)[:, 1:]
    torch.testing.assert_close(factor, factor[:, :1].expand_as(factor), rtol=1e-3, atol=1e-3)
    factor = factor[:, 0]
    faint = factor < 1
    assert faint.float().mean() == pytest.approx(0.5, abs=0.05)
    assert 0.0999 <= factor[faint].min() < 0.11
    assert 0.32 < factor[faint].max() <= 0.3301  # 1/10 … 1/3
    assert 1.999 <= factor[~faint].min() < 2.05
    assert 3.95 < factor[~faint].max() <= 4.001


def test_noise_has_the_mean_and_deviation_of_each_number_and_no_more(rows: Tensor, others: Tensor) -> None:
    together = rows + 5 * rows[:, :1]  # all numbers go with the first
    made = noise(together, others, stream())
    torch.testing.assert_close(made.mean(dim=0), together.mean(dim=0), rtol=0.05, atol=0.5)
    torch.testing.assert_close(made.std(dim=0), together.std(dim=0), rtol=0.1, atol=0)
    assert torch.corrcoef(together.T)[0, 5] > 0.5
    assert torch.corrcoef(made.T)[0, 5].abs() < 0.1


@pytest.mark.parametrize("maker", MAKERS)
def test_known_rows_stay_and_a_stream_gives_the_same_again(
    maker: Maker, rows: Tensor, others: Tensor
) -> None:
    before = rows.clone(), others.clone()
    first, again, another = (maker(rows, others, stream(seed)) for seed in (4, 4, 5))
    assert torch.equal(first, again)
    assert not torch.equal(first, another)
    assert torch.equal(rows, before[0])
    assert torch.equal(others, before[1])
    assert maker(rows[:1], others[:1], stream()).isfinite().all()


def test_each_kind_has_an_equal_share_and_partners_of_another_class(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, Tensor, Tensor]] = []

    def spy(kind: int) -> Maker:
        def make(rows: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
            seen.append((kind, rows, others))
            return rows + 1000 * (kind + 1)

        return make

    monkeypatch.setattr("euinet.augmentations.vectors.MAKERS", tuple(map(spy, range(5))))
    rows, labels = torch.arange(100.0).view(100, 1), torch.arange(100) % 4
    made = vector_outliers(rows, labels, stream())
    assert [kind for kind, *_ in seen] == [0, 1, 2, 3, 4]
    assert [len(given) for _, given, _ in seen] == [20] * 5
    assert torch.cat([given for _, given, _ in seen]).flatten().sort().values.tolist() == list(range(100))
    for kind, given, _ in seen:  # each outlier stands where the row was that it is made of
        places = given.flatten().long()
        assert torch.equal(made[places], given + 1000 * (kind + 1))
    given = torch.cat([given for _, given, _ in seen]).flatten().long()
    others = torch.cat([other for *_, other in seen]).flatten().long()
    assert (labels[given] != labels[others]).all()


@pytest.mark.parametrize("count", [1, 3, 7])
def test_fewer_rows_than_kinds_are_enough(count: int) -> None:
    made = vector_outliers(torch.randn(count, 4), torch.zeros(count, dtype=torch.long), stream())
    assert made.shape == (count, 4)
    assert made.isfinite().all()
