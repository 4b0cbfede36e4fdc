from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from euinet.answers import Answers
from euinet.errors import UsageError
from euinet.images.sources import Read
from euinet.predict import sinks
from euinet.predict.blocks import Block
from euinet.predict.rows import as_csv, as_table, columns_of, flat
from euinet.predict.sinks import FORMATS, check_format

CLASSES = ("cat", "=dog")
ROWS: list[dict[str, Any]] = [
    {
        "path": "a.png",
        "label": "cat",
        "best_class": "cat",
        "rejected": False,
        "ood_score": -2.5,
        "p_value": 0.5,
        "reject_probability": 0.1,
        "probabilities": {"cat": 0.7, "=dog": 0.2},
    },
    {
        "path": "=cmd()",
        "label": None,
        "best_class": "=dog",
        "rejected": True,
        "ood_score": 1.25,
        "p_value": 0.001,
        "reject_probability": 0.8,
        "probabilities": {"cat": 0.05, "=dog": 0.15},
        "remark": "grey repeated into colour",
    },
    {"path": "\x1b[31mred.png", "error": "red.png is empty"},
]


def test_csv_has_a_column_for_every_probability_and_no_formula() -> None:
    first, second, third = csv.DictReader(io.StringIO(as_csv(ROWS, CLASSES)))
    assert first["label"] == "cat"
    assert (first["rejected"], second["rejected"], third["rejected"]) == ("false", "true", "")
    assert float(second["p(=dog)"]) == 0.15
    assert second["path"] == "'=cmd()"
    assert second["label"] == ""
    assert second["best_class"] == "'=dog"
    assert float(second["ood_score"]) == 1.25
    assert float(first["ood_score"]) == -2.5  # a minus sign is a number's
    assert third["error"] == "red.png is empty"


def test_the_table_says_it_in_words_and_cannot_steer_a_terminal() -> None:
    head, first, second, third = as_table(ROWS).splitlines()
    assert head.split() == ["image", "answer", "p-value", "score"]
    assert first.split() == ["a.png", "cat", "0.5000", "-2.5"]
    assert "none of these" in second
    assert "nearest: =dog; grey repeated into colour" in second
    assert third.startswith("�[31mred.png")
    assert "ERROR" in third
    assert "\x1b" not in as_table(ROWS)


def block() -> Block:
    """What gives ROWS."""
    pixels = np.zeros((1, 8, 8), np.uint8)
    reads = [
        Read("a.png", pixels),
        Read("=cmd()", pixels, remark="grey repeated into colour"),
        Read("\x1b[31mred.png", None, error="red.png is empty"),
    ]
    answers = Answers(
        class_names=CLASSES,
        labels=np.array([0, -1]),
        best_classes=np.array([0, 1]),
        ood_score=np.array([-2.5, 1.25]),
        p_value=np.array([0.5, 0.001]),
        probabilities=np.array([[0.1, 0.7, 0.2], [0.8, 0.05, 0.15]]),
    )
    return Block(reads, answers)


def write(folder: Path, name: str, parts: Sequence[Sequence[Block]]) -> Path:
    kind = FORMATS[check_format(folder / name)]
    paths = []
    for number, blocks in enumerate(parts):
        paths.append(folder / f"{number}-{name}")
        with kind.part(paths[-1], CLASSES) as sink:
            for each in blocks:
                sink.write(each)
    kind.join(paths, folder / name, CLASSES)
    return folder / name


def test_a_block_is_rows() -> None:
    assert block().rows() == ROWS
    broken = Block([Read("b.png", None, error="b.png is empty")], None)
    assert broken.rows() == [{"path": "b.png", "error": "b.png is empty"}]


def test_a_model_without_p_values_has_none_in_its_rows() -> None:
    whole = block()
    assert whole.answers is not None
    without = Block(whole.reads, replace(whole.answers, p_value=None))
    assert without.rows()[0]["p_value"] is None


def test_files_hold_the_same_rows(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    parts = [[block(), block()], [block()]]
    assert json.loads(write(tmp_path, "rows.json", parts).read_text())["predictions"] == 3 * ROWS
    assert write(tmp_path, "rows.csv", parts).read_text() == as_csv(3 * ROWS, CLASSES)
    found = parquet.read_table(write(tmp_path, "rows.parquet", parts)).to_pylist()
    assert found == [{name: flat(row).get(name) for name in columns_of(CLASSES)} for row in 3 * ROWS]


@pytest.mark.parametrize("group", [1, 2, 20_000])
def test_parquet_gathers_parts_into_groups(
    group: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(sinks, "GROUP", group)
    path = write(tmp_path, "rows.parquet", [[block()]] * 5)
    with parquet.ParquetFile(path) as file:
        groups = [file.metadata.row_group(place).num_rows for place in range(file.metadata.num_row_groups)]
    assert groups == {1: [3] * 5, 2: [3] * 5, 20_000: [15]}[group]


def test_another_ending_is_refused_before_anything_is_computed() -> None:
    with pytest.raises(UsageError, match=r"rows\.xlsx ends in '\.xlsx', but results are written as \.csv"):
        check_format(Path("rows.xlsx"))


@pytest.mark.parametrize("name", ["rows.csv", "rows.json", "rows.parquet"])
def test_no_rows_are_a_file_too(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name, [])
    if name == "rows.json":
        assert json.loads(path.read_text()) == {"predictions": []}
    elif name == "rows.csv":
        assert path.read_text() == as_csv([], CLASSES)
    else:
        assert pytest.importorskip("pyarrow.parquet").read_table(path).column_names == columns_of(CLASSES)
