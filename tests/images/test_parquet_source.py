from __future__ import annotations

import builtins
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from euinet.errors import UsageError
from euinet.images.inputs import find_inputs
from euinet.images.preprocessing import Preprocessing

GREY = Preprocessing(1, 8)


def png(value: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (8, 8), value).save(file, "png")
    return file.getvalue()


def write(path: Path, columns: dict[str, Any], rows_a_group: int = 100) -> str:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table(columns), path, row_group_size=rows_a_group)
    return str(path)


@pytest.mark.parametrize("rows_a_group", [1, 70, 100, 1000])
def test_any_part_of_it_is_read_in_order(rows_a_group: int, tmp_path: Path) -> None:
    columns = {"label": list(range(200)), "path": [f"{i}.png" for i in range(200)]}
    columns["bytes"] = [png(i) for i in range(200)]  # type: ignore[misc]
    found = find_inputs([write(tmp_path / "images.parquet", columns, rows_a_group)])
    assert found.images == 200
    for start, stop in ((0, 200), (0, 1), (63, 65), (69, 71), (70, 140), (150, 200), (199, 200)):
        reads = list(found.part(start, stop).read(GREY))
        assert [read.path for read in reads] == [f"{i}.png" for i in range(start, stop)]
        assert [int(np.mean(read.pixels)) for read in reads if read.pixels is not None] == [
            *range(start, stop)
        ]


def test_what_a_row_lacks_is_said_in_its_row(tmp_path: Path) -> None:
    columns = {"path": [None, "b.png", "c.png"], "bytes": [png(1), None, b"nothing"]}
    path = write(tmp_path / "images.parquet", columns)
    first, second, third = find_inputs([path]).read(GREY)
    assert (first.path, first.error) == (f"{path}[0]", None)
    assert second.error == "It has no bytes: fill the cell or take the row out."
    assert third.error is not None
    assert "is broken or not an image" in third.error


def test_other_columns_and_broken_files_are_refused_in_a_sentence(tmp_path: Path) -> None:
    write(tmp_path / "rows.parquet", {"path": ["a"], "bytes": [1]})
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "rows.parquet").read_bytes()[:50])
    found = find_inputs([str(tmp_path / "rows.parquet"), str(tmp_path / "cut.parquet")])
    rows, cut = found.read(GREY)
    assert "has the columns 'path' (string), 'bytes' (int64), but images are" in (rows.error or "")
    assert "cut.parquet is damaged or no Parquet file" in (cut.error or "")


def test_without_pyarrow_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.parquet", {"path": ["a"], "bytes": [b""]})
    original = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        UsageError, match=r"Reading .*a\.parquet needs the package pyarrow.*pip install 'euinet\[parquet\]'"
    ):
        find_inputs([path])


def test_a_path_that_is_no_utf8_is_shown_and_its_image_read(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    names = arrow.array([b"\xff.png", b"x" * 40_000], arrow.binary())
    columns = {
        "path": arrow.Array.from_buffers(arrow.string(), 2, names.buffers()),
        "bytes": [png(1), png(2)],
    }
    path = write(tmp_path / "a.parquet", columns)
    first, long = find_inputs([path]).read(GREY)
    assert (first.path, first.error) == (r"\xff.png", None)
    assert (long.path, long.error) == (f"{path}[1]", None)


@pytest.mark.parametrize("repeated", ["path", "bytes"])
def test_a_column_twice_is_refused(repeated: str, tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"path": arrow.array(["a"]), "bytes": arrow.array([png(1)])}
    names = [*columns, repeated]
    parquet.write_table(arrow.Table.from_arrays([columns[n] for n in names], names), tmp_path / "a.parquet")
    (read,) = find_inputs([str(tmp_path / "a.parquet")]).read(GREY)
    assert f"'{repeated}' ({columns[repeated].type}), but images are" in (read.error or "")


def test_damage_on_the_way_leaves_what_was_read_and_a_row_for_each_that_is_missing(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "a.parquet", {"path": list("abcd"), "bytes": [png(i) for i in range(4)]}, 2))
    parquet = pytest.importorskip("pyarrow.parquet")
    at = parquet.read_metadata(path).row_group(1).column(1).data_page_offset
    content = path.read_bytes()
    path.write_bytes(content[:at] + bytes(20) + content[at + 20 :])
    *good, third, fourth = find_inputs([str(path)]).read(GREY)
    assert [read.path for read in good] == ["a", "b"]
    assert (third.path, fourth.path) == (f"{path}[2]", f"{path}[3]")
    assert "is damaged or no Parquet file" in (third.error or "")
