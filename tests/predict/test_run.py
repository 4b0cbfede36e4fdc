from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from euinet.answers import Answers
from euinet.predict import run
from euinet.predict.engine import Facts
from euinet.predict.inputs import find_inputs
from euinet.predict.run import predict_all
from euinet.predict.sinks import RowList
from euinet.preprocessing import Preprocessing
from euinet.scoring.conformal import p_values

CALIBRATION = np.arange(100, dtype=np.float32)


class Brightness:
    """`ood_score` is the mean brightness; above 99 rejected, else class "dark" up to 50, "light" above."""

    facts = Facts("brightness", ("dark", "light"), Preprocessing(1, 8), 0.01, 100)

    def __init__(self) -> None:
        self.batches: list[int] = []

    def predict(self, pixels: np.ndarray) -> Answers:
        self.batches.append(len(pixels))
        score = pixels.mean(axis=(1, 2, 3)).astype(np.float32)
        best = (score > 50).astype(np.int64)
        labels = np.where(score > 99, -1, best)
        return Answers(
            self.facts.class_names,
            labels,
            best,
            score,
            p_values(CALIBRATION, score),
            np.full((len(score), 3), 1 / 3, np.float32),
        )


def save(folder: Path, *brightness: int) -> None:
    for index, value in enumerate(brightness):
        Image.new("L", (8, 8), value).save(folder / f"{index}.png")


def test_every_image_has_its_row_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "BATCH", 2)
    save(tmp_path, 10, 200, 60, 0, 120)
    (tmp_path / "3.png").write_bytes(b"")
    predictor = Brightness()
    kept = RowList()
    predicted = predict_all(predictor, find_inputs([str(tmp_path)]), [kept], lambda _: None)
    assert [Path(row["path"]).name for row in kept.rows] == [f"{index}.png" for index in range(5)]
    assert [row.get("label") for row in kept.rows] == ["dark", None, "light", None, None]
    assert [row.get("rejected") for row in kept.rows] == [False, True, False, None, True]
    assert "3.png is empty" in kept.rows[3]["error"]
    assert kept.rows[1]["p_value"] == pytest.approx(1 / 101)
    assert predictor.batches == [2, 1, 1]
    plain = predicted.to_plain()
    assert (plain["images"], plain["broken"], plain["rejected"]) == (5, 1, 2)
    assert plain["rejected_share"] == 0.5
    assert plain["drift"]["images"] == 4


def test_nothing_but_broken_images_is_no_share(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    plain = predict_all(Brightness(), find_inputs([str(tmp_path)]), (), lambda _: None).to_plain()
    assert (plain["broken"], plain["rejected_share"], plain["drift"]) == (1, None, None)


def test_progress_has_an_estimate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "BATCH", 1)
    monkeypatch.setattr(run, "PLAIN_SECONDS", 0.0)
    save(tmp_path, 1, 2, 3)
    said: list[str] = []
    predict_all(Brightness(), find_inputs([str(tmp_path)]), (), said.append)
    assert said[0].startswith("1 of 3 images, ")
    assert said[-1].endswith(" 0 s left")
