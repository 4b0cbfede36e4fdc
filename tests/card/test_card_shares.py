from __future__ import annotations

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest

from euinet.answers import PixelArray
from euinet.card.shares import Share, to_plain
from euinet.card.wording import level_text, p_text, short
from euinet.data.split.stratify import stratified_choice


def test_a_share_counts_and_has_wilsons_interval() -> None:
    share = Share.of(np.array([True, False, True, True]))
    assert (share.count, share.total, share.value) == (3, 4, 0.75)
    # Wilson, z = 1.96, 3 of 4: centre (0.75 + z²/8) / (1 + z²/4), half z·√(0.1875/4 + z²/64) / (1 + z²/4)
    z2 = 1.959964**2
    centre, half = (0.75 + z2 / 8) / (1 + z2 / 4), 1.959964 * math.sqrt(0.1875 / 4 + z2 / 64) / (1 + z2 / 4)
    assert share.interval == pytest.approx((centre - half, centre + half))
    assert share.interval_text == "30.1 to 95.4\u00a0%"


def test_of_nothing_there_is_no_share() -> None:
    assert Share(0, 0).value is None
    assert Share(0, 0).text == Share(0, 0).interval_text == "–"
    assert Share(0, 50).interval_text == "0 to 7.1\u00a0%"
    assert Share(50, 50).interval_text == "92.9 to 100\u00a0%"


def test_plain_values_are_json_without_pictures() -> None:
    @dataclass
    class Record:
        share: Share
        picture: PixelArray
        numbers: tuple[float, ...]

    record = Record(Share(1, 2), np.zeros((1, 8, 8), np.uint8), (math.nan, np.float32(0.5)))
    plain = json.loads(json.dumps(to_plain({"a": record}), allow_nan=False))["a"]
    assert plain["share"]["share"] == 0.5
    assert plain["numbers"] == [None, 0.5]
    assert "picture" not in plain


def test_a_choice_keeps_the_classes_shares_and_every_class() -> None:
    labels = np.repeat([0, 1, 2], [600, 300, 1])
    chosen = stratified_choice(labels, 90, seed=0)
    counts = np.bincount(labels[chosen])
    assert len(chosen) == len(set(chosen.tolist())) == 90
    assert counts[2] == 1
    assert counts[0] == pytest.approx(60, abs=1)
    assert (np.diff(chosen) > 0).all()
    np.testing.assert_array_equal(chosen, stratified_choice(labels, 90, seed=0))
    assert set(chosen.tolist()) != set(stratified_choice(labels, 90, seed=1).tolist())
    np.testing.assert_array_equal(stratified_choice(labels, 901, seed=0), np.arange(901))


def test_levels_p_values_and_names_are_short() -> None:
    assert [level_text(level) for level in (0.00025, 0.01, 0.3)] == ["0.025\u00a0%", "1\u00a0%", "30\u00a0%"]
    assert [p_text(p) for p in (1.0, 0.31, 0.052, 0.00023)] == ["1.00", "0.31", "0.052", "0.00023"]
    long = "/home/somebody/a/long/way/down/to/the/folder/scans"
    assert len(short(long)) == 40
    assert short(long).endswith("to/the/folder/scans")
    assert short("cat") == "cat"
