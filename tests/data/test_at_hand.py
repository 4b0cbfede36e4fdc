"""Whether a data set is on this computer is told without getting it."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from euinet.data.sets import datasets, sources
from euinet.data.sets.datasets import is_at_hand


def test_names_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_fetch", lambda *_: pytest.fail("it was fetched"))
    assert is_at_hand("digits", tmp_path)
    assert not is_at_hand("mnist", tmp_path)
    assert not is_at_hand("cifar10", tmp_path)
    assert is_at_hand(str(tmp_path))
    assert not is_at_hand(str(tmp_path / "nothing"))


def test_all_files_must_be_there_and_whole(tmp_path: Path) -> None:
    contents = {"images": b"pixels", "labels": b"classes"}
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in contents.items()}
    idx_set = replace(sources.MNIST, md5=md5)
    folder = idx_set.folder(tmp_path)
    folder.mkdir(parents=True)
    (folder / "images").write_bytes(contents["images"])
    assert not sources.has_idx_files(idx_set, tmp_path)
    (folder / "labels.gz").write_bytes(gzip.compress(contents["labels"], mtime=0))
    assert sources.has_idx_files(idx_set, tmp_path)
    (folder / "images").write_bytes(b"pixel")
    assert not sources.has_idx_files(idx_set, tmp_path)


def test_every_named_set_can_tell() -> None:
    assert all(callable(named.is_there) for named in datasets.DATASETS.all().values())
