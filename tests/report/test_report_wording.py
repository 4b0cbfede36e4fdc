from __future__ import annotations

import math

import pytest

from euinet.report.wording import listing, percent, scientific, share_of, signed


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        (970, 980, "99.0 %"),
        (9999, 10000, "99.9 %"),  # one error is never rounded away
        (1, 10000, "0.1 %"),
        (5, 5, "100 %"),
        (0, 5, "0 %"),
        (0, 0, "–"),
    ],
)
def test_percent(part: int, whole: int, expected: str) -> None:
    assert plain(percent(part, whole)) == expected


def test_share_of_states_the_counts() -> None:
    assert plain(share_of(9018, 9020)) == "99.98 % (9,018 of 9,020)"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5.6319936e-05, "5.63 × 10⁻⁵"),
        (0.9996, "1.00"),
        (0.4567, "0.457"),
        (-0.00123, "−1.23 × 10⁻³"),
        (0.0, "0"),
        (math.nan, "–"),
        (None, "–"),
        (12.345, "12.3"),
        (99999.0, "1.00 × 10⁵"),
    ],
)
def test_scientific(value: float | None, expected: str) -> None:
    assert plain(scientific(value)) == expected


def test_signed_and_listing() -> None:
    assert signed(-0.419) == "−0.42"
    assert signed(0.25) == "+0.25"
    assert listing(("a", "b", "c")) == "a, b and c"
    assert listing([str(n) for n in range(15)], most=2) == "0, 1 and 13 more"
    assert listing([]) == ""
