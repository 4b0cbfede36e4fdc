from __future__ import annotations

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest

from euinet.card.plain import to_plain
from euinet.card.wording import interval_text, level_text, p_text, share_text, short
from euinet.data.split.stratify import stratified_choice
from euinet.judging.share import Share


def test_a_share_and_its_interval_are_written_with_the_digits_that_the_images_allow() -> None:
    assert (share_text(Share(3, 4)), interval_text(Share(3, 4))) == ("75.0\u00a0%", "30.1 to 95.4\u00a0%")
    many = Share(30, 2000)
    assert (share_text(many), interval_text(many)) == ("1.50\u00a0%", "1.05 to 2.13\u00a0%")
    assert share_text(Share(0, 0)) == interval_text(Share(0, 0)) == "–"
    assert interval_text(Share(0, 50)) == "0 to 7.1\u00a0%"
    assert interval_text(Share(50, 50)) == "92.9 to 100\u00a0%"


def test_plain_values_are_json_without_pictures() -> None:
    @dataclass
    class Record:
        share: Share
        picture: np.ndarray
        numbers: tuple[float, ...]

    record = Record(Share(1, 2), np.zeros((1, 4, 4), np.uint8), (math.nan, np.float32(0.5)))
    plain = json.loads(json.dumps(to_plain({"a": record}), allow_nan=False))["a"]
    wanted = {"count": 1, "total": 2, "share": 0.5, "low": 0.0945, "high": 0.9055}
    assert plain["share"] == pytest.approx(wanted, abs=1e-4)
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
