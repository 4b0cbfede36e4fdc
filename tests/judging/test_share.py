"""Shares of images, and how sure they are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from euinet.judging.share import Share, wilson_interval


def test_a_share_counts_and_has_wilsons_interval() -> None:
    share = Share.of(np.array([True, False, True, True]))
    assert (share.count, share.total, share.value) == (3, 4, 0.75)
    # Wilson, z = 1.96, 3 of 4: centre (0.75 + z²/8) / (1 + z²/4), half z·√(0.1875/4 + z²/64) / (1 + z²/4)
    z2 = 1.959964**2
    centre, half = (0.75 + z2 / 8) / (1 + z2 / 4), 1.959964 * math.sqrt(0.1875 / 4 + z2 / 64) / (1 + z2 / 4)
    assert share.interval == pytest.approx((centre - half, centre + half))


def test_of_nothing_there_is_no_share() -> None:
    assert Share(0, 0).to_plain() == {"count": 0, "total": 0, "share": None}
    assert Share(0, 0).interval == (0, 1)


@pytest.mark.parametrize(("right", "total"), [(0, 10), (3, 10), (970, 980), (980, 980)])
def test_wilson_interval_agrees_with_scipy(right: int, total: int) -> None:
    expected = binomtest(right, total).proportion_ci(method="wilson")

    assert wilson_interval(right, total) == pytest.approx((expected.low, expected.high), abs=1e-6)
