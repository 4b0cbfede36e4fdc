from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from euinet.errors import UsageError
from euinet.predict.rows import as_csv, as_table
from euinet.predict.sinks import check_format, file_sink

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


def test_files_hold_the_same_rows(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    for name in ("rows.csv", "rows.json", "rows.parquet"):
        with file_sink(tmp_path / name, CLASSES) as sink:
            sink.write(ROWS[:1])
            sink.write(ROWS[1:])
    assert json.loads((tmp_path / "rows.json").read_text())["predictions"] == ROWS
    assert (tmp_path / "rows.csv").read_text() == as_csv(ROWS, CLASSES)
    found = parquet.read_table(tmp_path / "rows.parquet").to_pylist()
    assert [row["label"] for row in found] == ["cat", None, None]
    assert [row["rejected"] for row in found] == [False, True, None]
    assert found[1]["p(=dog)"] == 0.15
    assert found[1]["path"] == "=cmd()"
    assert found[2]["error"] == "red.png is empty"


def test_another_ending_is_refused_before_anything_is_computed() -> None:
    with pytest.raises(UsageError, match=r"rows\.xlsx ends in '\.xlsx', but results are written as \.csv"):
        check_format(Path("rows.xlsx"))


@pytest.mark.parametrize("name", ["rows.csv", "rows.json", "rows.parquet"])
def test_what_is_broken_off_leaves_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("as it was")

    def broken_off() -> None:
        with file_sink(tmp_path / name, CLASSES) as sink:
            sink.write(ROWS)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "as it was"


@pytest.mark.parametrize("name", ["rows.csv", "rows.json", "rows.parquet"])
def test_no_rows_are_a_file_too(tmp_path: Path, name: str) -> None:
    with file_sink(tmp_path / name, CLASSES):
        pass
    if name == "rows.json":
        assert json.loads((tmp_path / name).read_text()) == {"predictions": []}
    assert (tmp_path / name).stat().st_size > 0
