"""Student's t interval, against numbers worked out by hand."""

from __future__ import annotations

import pytest

from euinet.benchmark.intervals import interval, paired_difference


def test_three_seeds_by_hand() -> None:
    found = interval([0.90, 0.92, 0.94])
    assert found.mean == pytest.approx(0.92)
    # s = 0.02; t of 2 degrees of freedom at 97.5 % is 4.3027; 4.3027 · 0.02 / √3
    assert found.half_width == pytest.approx(0.049683, abs=1e-6)
    assert found.count == 3


def test_one_seed_has_no_interval() -> None:
    found = interval([0.9])
    assert (found.mean, found.half_width, found.count, found.side) == (0.9, None, 1, 0)
    with pytest.raises(ValueError, match="at least one value"):
        interval([])


def test_differences_are_paired_by_seed() -> None:
    # each seed moves both alike: unpaired they could not be told apart
    found = paired_difference([0.50, 0.70, 0.90], [0.49, 0.69, 0.89])
    assert found.mean == pytest.approx(0.01)
    assert found.half_width == pytest.approx(0, abs=1e-12)
    assert found.side == 1
    assert paired_difference([0.49, 0.69, 0.89], [0.50, 0.70, 0.90]).side == -1


def test_a_side_is_shown_only_where_the_whole_interval_lies_on_it() -> None:
    # mean 0.02, s = 0.02: half width 0.0497
    assert interval([0.0, 0.02, 0.04]).side == 0
    assert interval([0.019, 0.020, 0.021]).side == 1
    assert interval([-0.019, -0.020, -0.021]).side == -1
    assert interval([0.0, 0.0]).side == 0
