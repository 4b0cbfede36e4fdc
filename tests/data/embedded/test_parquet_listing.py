"""Parquet files of images, as people and Hugging Face write them, and labels of odd kinds."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedders import MeanEmbedder, image, values
from euinet.data.embedded.dataset import embed_dataset, embed_whole
from euinet.data.embedded.listing import PARTS
from euinet.data.embedded.places import list_images
from euinet.errors import DataError

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def write(path: Path, columns: dict[str, Any], group: int = 7, names: list[str] | None = None) -> Path:
    table = arrow.table(columns)
    if names is not None:
        features = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path, row_group_size=group)
    return path


def columns(count: int = 20, first: int = 0, **more: Any) -> dict[str, Any]:
    """`count` images of the classes 0 and 1 in turn."""
    numbers = range(first, first + count)
    return {"bytes": [image(n) for n in numbers], "label": [n % 2 for n in numbers], **more}


def test_rows_become_a_data_set_with_a_fifth_of_each_class_for_the_test(
    tmp_path: Path, embedder: MeanEmbedder
) -> None:
    found = embed_dataset(write(tmp_path / "train.parquet", columns()), embedder)
    assert (found.name, found.class_names, found.test_share) == ("train.parquet", ("0", "1"), 0.2)
    assert np.bincount(found.test.labels).tolist() == [2, 2]
    assert sorted(values(found.train.images) + values(found.test.images)) == list(range(20))
    assert all(
        value % 2 == label
        for value, label in zip(values(found.train.images), found.train.labels, strict=True)
    )


@pytest.mark.parametrize("name", ["image", "Image", "png", "content"])
@pytest.mark.parametrize("nested", [False, True])
def test_columns_are_found_by_their_names_and_kinds(name: str, nested: bool, tmp_path: Path) -> None:
    cells = [image(0), image(1), None, image(3)]
    image_column = [{"bytes": cell, "path": f"{n}.png"} for n, cell in enumerate(cells)] if nested else cells
    more = {} if nested else {"path": [f"{n}.png" for n in range(4)]}
    listing = list_images(
        write(tmp_path / "a.parquet", {"id": [1, 2, 3, 4], name: image_column, "Class": list("bbaa"), **more})
    )
    assert listing.class_names == ("a", "b")
    assert listing.labels.tolist() == [1, 1, 0, 0]
    contents = list(listing.contents)
    assert [content.name for content in contents] == ["0.png", "1.png", "2.png", "3.png"]
    assert [content.read() for content in contents if content.name != "2.png"] == [
        image(0),
        image(1),
        image(3),
    ]
    with pytest.raises(DataError, match=r"2\.png: It has no content: fill the cell or take the row out"):
        contents[2].read()


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([10, 9, 9, 10], ("9", "10")),
        (["10", "9", "9", "10"], ("10", "9")),
        (arrow.array([3, -1, 3, 3], arrow.int8()), ("-1", "3")),
        (arrow.array(["x", "y", "x", "x"]).dictionary_encode(), ("x", "y")),
        (arrow.array(["é", "y", "é", "y"], arrow.large_string()), ("y", "é")),
        ([True, False, True, True], ("False", "True")),
    ],
)
def test_classes_are_sorted_text_as_text_and_numbers_by_size(
    labels: Any, names: tuple[str, ...], tmp_path: Path
) -> None:
    listing = list_images(
        write(tmp_path / "a.parquet", {"bytes": [image(n) for n in range(4)], "label": labels})
    )
    assert listing.class_names == names
    plain = labels.to_pylist() if hasattr(labels, "to_pylist") else labels
    assert [listing.class_names[k] for k in listing.labels] == [str(label) for label in plain]


def test_hugging_faces_names_are_the_classes(tmp_path: Path) -> None:
    listing = list_images(write(tmp_path / "a.parquet", columns(4), names=["zebra", "ape"]))
    assert listing.class_names == ("ape", "zebra")
    assert listing.labels.tolist() == [1, 0, 1, 0]


def test_parts_are_a_columns_or_the_files(tmp_path: Path, embedder: MeanEmbedder) -> None:
    split = ["train", "Train", "validation", "test"] * 5
    table = columns(20, split=split) | {"label": [n // 4 % 2 for n in range(20)]}
    found = embed_dataset(write(tmp_path / "a.parquet", table), embedder)
    assert found.validation is not None
    assert sorted(values(found.test.images)) == [3, 7, 11, 15, 19]
    of_validation = np.array(values(found.train.images))[found.validation]
    assert sorted(of_validation.tolist()) == [2, 6, 10, 14, 18]
    for number, part in enumerate(("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001")):
        write(tmp_path / "hub" / "data" / f"{part}.parquet", columns(10, number * 10))
    found = embed_dataset(tmp_path / "hub", embedder)
    assert (sorted(values(found.train.images)), sorted(values(found.test.images))) == (
        list(range(20)), list(range(20, 30)),
    )  # fmt: skip
    listing = list_images(str(tmp_path / "hub" / "data" / "train*.parquet"))
    assert {PARTS[part] for part in listing.parts} == {"train"}
    assert embed_whole(tmp_path / "hub", embedder).images.labels.tolist() == [0, 1] * 15


KINDS = {
    "floats": [0.0, 1.0],
    "lists": [[0], [1]],
    "dates": [datetime.date(2020, 1, 1)] * 2,
    "bytes": [b"0", b"1"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_other_kinds_are_refused(kind: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", {"image": [image(0), image(1)], "label": KINDS[kind]})
    with pytest.raises(
        DataError, match=r"The column 'label' of .* is of .*, but labels must be text or whole"
    ):
        list_images(path)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"bytes": [image(0)]}, "has the columns 'bytes' \\(binary\\), but none of labels: call it label"),
        (
            {"label": [1]},
            "none of them holds the content of image files: call a binary column image or bytes",
        ),
        (
            {"u": [image(0)], "v": [image(0)], "label": [0]},
            "but u and v may each hold the content of image files",
        ),
        (
            {"bytes": [image(0)] * 3, "label": [0, None, None]},
            "has 2 rows without a label, the first is row 1",
        ),
        (
            {"bytes": [image(0)], "label": [0], "split": ["train1"]},
            "The column 'split' of .* has 'train1', but must be train, validation or test",
        ),
        (
            {"bytes": [image(0)] * 2, "label": [0, 1], "part": ["test", None]},
            "'part' of .* has an empty cell",
        ),
        (
            {"bytes": [image(0)], "label": [0], "split": [1]},
            "The column 'split' of .* is of int64, but must be",
        ),
        ({"bytes": [image(0)], "label": [0]}, "has the class '0' alone, but at least 2 classes"),
        (
            {"bytes": arrow.array([], arrow.binary()), "label": arrow.array([], arrow.int64())},
            "has no images, but at least 2 classes are needed",
        ),
        (
            {"bytes": [b"x", image(1)], "label": [0, 1]},
            "No image of the class '0' in .* can be read; the first: ",
        ),
        (
            {"bytes": [image(0), image(1)], "label": ["a\nb", "c"]},
            "has a sign in its name that is not printable",
        ),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    table: dict[str, Any], says: str, tmp_path: Path, embedder: MeanEmbedder
) -> None:
    with pytest.raises(DataError, match=says) as caught:
        embed_dataset(write(tmp_path / "a.parquet", table), embedder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ({}, {"label": ["a", "b"]}, "has labels of text \\('a'\\) and numbers \\(0\\)"),
        ({"split": ["train", "test"]}, {}, "has the column 'split', but .* has none"),
    ],
)
def test_files_that_contradict_each_other_are_refused(
    first: dict[str, Any], second: dict[str, Any], says: str, tmp_path: Path
) -> None:
    write(tmp_path / "1.parquet", columns(2) | first)
    write(tmp_path / "2.parquet", columns(2) | second)
    with pytest.raises(DataError, match=says):
        list_images(tmp_path)


def test_files_of_which_some_are_for_a_part_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "train-0.parquet", columns(2))
    write(tmp_path / "more.parquet", columns(2))
    with pytest.raises(
        DataError, match=r"train-0\.parquet is by its name for the part train, but more\.parquet"
    ):
        list_images(tmp_path)


def test_classes_named_differently_and_numbers_without_a_name_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "1.parquet", columns(2), names=["a", "b"])
    write(tmp_path / "2.parquet", columns(2), names=["b", "a"])
    with pytest.raises(DataError, match="name their classes differently"):
        list_images(tmp_path)
    path = write(tmp_path / "one" / "3.parquet", columns(2) | {"label": [0, -1]}, names=["a", "b"])
    with pytest.raises(DataError, match="has the label -1, but 2 classes are named: labels must be 0 … 1"):
        list_images(path)


def test_a_damaged_row_group_costs_its_rows_and_those_behind_it(
    tmp_path: Path, embedder: MeanEmbedder
) -> None:
    path = write(tmp_path / "a.parquet", columns(40), group=10)
    content = bytearray(path.read_bytes())
    column = parquet.ParquetFile(path).metadata.row_group(2).column(0)
    start = column.dictionary_page_offset or column.data_page_offset
    content[start : start + column.total_compressed_size] = bytes(column.total_compressed_size)
    path.write_bytes(content)
    told: list[str] = []
    found = embed_dataset(path, embedder, notify=told.append)
    assert sorted(values(found.train.images) + values(found.test.images)) == list(range(20))
    assert "20 of 40 images were left out, the first because" in told[0]
    path.write_bytes(content[:100])
    with pytest.raises(DataError, match="is damaged or no Parquet file"):
        list_images(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="is damaged or no Parquet file"):
        list_images(path)
