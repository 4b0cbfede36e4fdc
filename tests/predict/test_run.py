from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from PIL import Image

from decision_files import SIDE
from euinet.cli.using import predict
from euinet.images.inputs import find_inputs
from euinet.images.sources import Read
from euinet.predict import blocks
from euinet.predict.run import predict_all
from euinet.predict.sinks import RowList
from euinet.system import progress
from watched import Watched


def save(folder: Path, *brightness: int) -> None:
    for index, value in enumerate(brightness):
        Image.new("L", (SIDE, SIDE), value).save(folder / f"{index}.png")


def test_every_image_has_its_row_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BATCH", 2)
    save(tmp_path, 10, 200, 60, 0, 120)
    (tmp_path / "3.png").write_bytes(b"")
    model = Watched()
    kept = RowList()
    predicted = predict_all(model, find_inputs([str(tmp_path)]), [kept], lambda _: None)
    assert [Path(row["path"]).name for row in kept.rows] == [f"{index}.png" for index in range(5)]
    assert [row.get("label") for row in kept.rows] == ["dark", None, "light", None, None]
    assert [row.get("rejected") for row in kept.rows] == [False, True, False, None, True]
    assert "3.png is empty" in kept.rows[3]["error"]
    assert kept.rows[1]["p_value"] == 1 / 10
    assert model.batches == [2, 1, 1]
    plain = predicted.to_plain()
    assert (plain["images"], plain["broken"], plain["rejected"]) == (5, 1, 2)
    assert plain["rejected_share"] == 0.5
    assert predicted.drift is not None
    assert (predicted.drift.images, predicted.drift.compared) == (4, 4)


def test_nothing_but_broken_images_is_no_share(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    plain = predict_all(Watched(), find_inputs([str(tmp_path)]), (), lambda _: None).to_plain()
    assert (plain["broken"], plain["rejected_share"], plain["drift"]) == (1, None, None)


def test_progress_has_an_estimate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BATCH", 1)
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.0)
    save(tmp_path, 1, 2, 3)
    said: list[str] = []
    predict_all(Watched(), find_inputs([str(tmp_path)]), (), said.append)
    assert said[0].startswith("1 of 3 images, ")
    assert said[-1].endswith(" 0 s left")


def test_batches_depend_on_nothing_but_the_place() -> None:
    reads = [Read(str(number), None) for number in range(1100)]

    def sizes(start: int, part_images: int) -> list[int]:
        return [len(batch) for batch in blocks.batches(iter(reads[start:]), part_images)]

    assert sizes(0, 600) == [256, 256, 88, 256, 244]
    assert sizes(600, 600) == [256, 244]  # as if the first part were read, too
    assert sizes(0, 512) == [256, 256, 256, 256, 76]
    assert sizes(0, 3)[:3] == [3, 3, 3]
    whole = [read for batch in blocks.batches(iter(reads), 600) for read in batch]
    assert whole == reads


def test_parts_of_whole_batches_change_no_batch() -> None:
    assert blocks.PART_IMAGES % blocks.BATCH == 0


def test_the_command_line_has_the_same_size_of_parts() -> None:
    assert inspect.signature(predict).parameters["part_images"].default == blocks.PART_IMAGES
