"""What a model is given by a Python caller: any layout that can be read, one sentence for what cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import euinet
from decision_files import bright, write
from euinet.errors import UsageError
from euinet.inbox.inbox import Inbox


@pytest.fixture
def model(tmp_path: Path) -> euinet.Model:
    return euinet.load(write(tmp_path / "m.onnx"))


def test_no_image_gets_no_answer(model: euinet.Model) -> None:
    for nothing in ([], np.empty((0, 4, 4), np.uint8), np.empty((0, 1, 4, 4), np.uint8)):
        assert model.predict(nothing).rows == []
    nothing = np.empty((0, 1, 4, 4), np.uint8)
    assert (
        len(model.answer(nothing)) == len(model.decide(nothing).labels) == len(model.features(nothing)) == 0
    )
    with pytest.raises(
        UsageError, match="by 0 calibration images: at least 9 are needed; give more known images"
    ):
        model.calibrate([], 0.1)


def test_calibrate_takes_whatever_predict_takes(model: euinet.Model, tmp_path: Path) -> None:
    stacked = bright(*range(20, 200, 9))  # (20, 1, 4, 4)
    np.save(tmp_path / "known.npy", stacked)
    mapped = np.load(tmp_path / "known.npy", mmap_mode="r")
    given: list[Any] = [
        stacked,
        stacked[:, 0],
        stacked.transpose(0, 2, 3, 1),
        stacked.repeat(2, 2).repeat(2, 3),
    ]
    given += [list(stacked), mapped, stacked[::-1], np.asfortranarray(stacked), str(tmp_path / "known.npy")]
    wanted = model.calibrate(stacked, 0.1)
    assert wanted.calibration is not None
    for images in given:
        found = model.calibrate(images, np.float32(0.1)).calibration
        assert found is not None
        assert found.alpha == 0.1
        np.testing.assert_array_equal(np.sort(found.scores), wanted.calibration.scores)


@pytest.mark.parametrize(
    "pixels", [[[0]], None, "a.png", np.zeros((1, 1, 4, 4)), np.ma.zeros((1, 1, 4, 4), np.uint8)]
)
def test_what_is_no_stack_of_pixels_is_one_sentence(model: euinet.Model, pixels: Any, tmp_path: Path) -> None:
    for method in (model.answer, model.decide, model.features):
        with pytest.raises(
            UsageError, match=r"but the model reads uint8 \(0 … 255\) of shape \(N, 1, 4, 4\)"
        ):
            method(pixels)
    inbox = Inbox.open(tmp_path / "inbox", model)
    try:
        with pytest.raises(UsageError, match=r"but the model reads uint8 of shape \(1, 4, 4\)"):
            inbox.keep(pixels)
        row = model.predict(bright(200))[0]
        assert row.rejected
        assert not inbox.offer(pixels, row)  # floats were cut down to whole numbers
        assert inbox.counters()["failed"] == 1
        assert inbox.offer(bright(200)[0], row)
    finally:
        inbox.close()
