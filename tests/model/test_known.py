"""The known embeddings beside a model: they come back as halves, and damage is one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from euinet.data.split.fingerprint import image_digests
from euinet.errors import StorageError, UsageError
from euinet.model import known
from euinet.model.known import KNOWN_FILE, PARTS, load_known, save_known
from vectors import WIDTH, vector_split


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_known(vector_split(), tmp_path)
    return tmp_path


def test_parts_come_back_with_labels_and_digests(folder: Path) -> None:
    split, found = vector_split(), load_known(folder, WIDTH, 3)
    for name in PARTS:
        part, wanted = getattr(found, name), getattr(split, name)
        np.testing.assert_array_equal(part.images, wanted.images.astype(np.float16))
        np.testing.assert_array_equal(part.labels, wanted.labels)
        np.testing.assert_array_equal(
            part.digests, image_digests(wanted.images)
        )  # of what they were, float32


def test_digests_of_pixels_stay_those(tmp_path: Path) -> None:
    split = vector_split()
    numbers = np.arange(len(split.train), dtype=np.uint64) + np.uint64(2**64 - 1000)
    save_known(replace(split, train=replace(split.train, digests=numbers)), tmp_path)
    np.testing.assert_array_equal(load_known(tmp_path, WIDTH, 3).train.digests, numbers)


def test_of_too_many_an_equal_number_a_class_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "MOST", 9)
    split = vector_split()
    first = split.train.where(np.argsort(split.train.labels, kind="stable"))  # all coats first
    save_known(replace(split, train=first), tmp_path)
    found = load_known(tmp_path, WIDTH, 3)
    assert np.bincount(found.train.labels).tolist() == [3, 3, 3]
    assert len(found.validation) == 9


def test_a_model_without_them_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"has no {KNOWN_FILE}, .*: copy the whole folder, or"):
        load_known(tmp_path, WIDTH, 3)


def damaged(folder: Path, name: str, values: np.ndarray | None) -> None:
    tensors = load_file(folder / KNOWN_FILE)
    del tensors[name]
    save_file(tensors | ({} if values is None else {name: values}), folder / KNOWN_FILE)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("train.embeddings", None),
        ("calibration.digests", None),
        ("train.embeddings", np.zeros((5, WIDTH), np.float32)),
        ("train.embeddings", np.zeros((5, WIDTH + 1), np.float16)),
        ("train.embeddings", np.zeros(5, np.float16)),
        ("train.embeddings", np.zeros((5, WIDTH), np.float16)),  # fewer than its labels
        ("validation.labels", np.full(len(vector_split().validation), 3, np.int32)),
        ("validation.labels", np.full(len(vector_split().validation), -1, np.int32)),
        ("train.digests", np.zeros(2, np.int64)),
        ("train.digests", np.zeros(len(vector_split().train), np.float32)),
        ("train.embeddings", np.full((len(vector_split().train), WIDTH), np.nan, np.float16)),
    ],
)
def test_damage_is_one_sentence(folder: Path, name: str, values: np.ndarray | None) -> None:
    damaged(folder, name, values)
    with pytest.raises(StorageError, match=r"^The embeddings in .* are damaged \(.*\): copy the whole"):
        load_known(folder, WIDTH, 3)


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"\x10\0\0\0\0\0\0\0{}"])
def test_what_is_no_such_file_is_damaged(folder: Path, content: bytes) -> None:
    (folder / KNOWN_FILE).write_bytes(content)
    with pytest.raises(StorageError, match="are damaged"):
        load_known(folder, WIDTH, 3)


def test_a_file_cut_short_is_damaged(folder: Path) -> None:
    content = (folder / KNOWN_FILE).read_bytes()
    (folder / KNOWN_FILE).write_bytes(content[:-10])
    with pytest.raises(StorageError, match="are damaged"):
        load_known(folder, WIDTH, 3)


def test_another_width_or_fewer_classes_do_not_fit(folder: Path) -> None:
    with pytest.raises(StorageError, match="the shape"):
        load_known(folder, WIDTH + 1, 3)
    with pytest.raises(StorageError, match="cannot be"):
        load_known(folder, WIDTH, 2)
