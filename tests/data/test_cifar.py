from __future__ import annotations

import errno
import hashlib
import io
import pickle
import tarfile

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from euinet.data.sets.datasets import load_dataset
from euinet.errors import DataError, StorageError

NAMES = ["data_batch_1", "data_batch_2", "test_batch", "batches.meta"]


@pytest.fixture
def small_cifar(server, monkeypatch):
    """An archive like CIFAR-10's with two images a batch, behind the address that torchvision asks."""
    contents = {"batches.meta": pickle.dumps({"label_names": list("abcdefghij")})}
    for number, name in enumerate(NAMES[:3]):
        pixels = np.arange(2 * 3072).reshape(2, 3072).astype(np.uint8) + number
        contents[name] = pickle.dumps({"data": pixels, "labels": [number, 9]})
    archive = server.folder / CIFAR10.filename
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(CIFAR10, "url", server.url + CIFAR10.filename)
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    monkeypatch.setattr(CIFAR10, "train_list", [[name, md5[name]] for name in NAMES[:2]])
    monkeypatch.setattr(CIFAR10, "test_list", [[NAMES[2], md5[NAMES[2]]]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": md5["batches.meta"]})
    return archive


def test_cifar10_is_downloaded_whole_and_only_once(tmp_path, small_cifar, server):
    root = tmp_path / "root"
    found = load_dataset("cifar10", root)
    assert found.train.images.shape == (4, 3, 32, 32)
    assert found.train.labels.tolist() == [0, 9, 1, 9]
    assert found.test.labels.tolist() == [2, 9]
    # Red, green, blue are planes of 1024 bytes each; the third batch counts from 2.
    assert found.test.images[0, :, 0, 1].tolist() == [3, (1024 + 3) % 256, (2048 + 3) % 256]
    assert [path.name for path in root.iterdir()] == ["cifar-10-batches-py"]
    asked = len(server.asked)
    load_dataset("cifar10", root)
    assert len(server.asked) == asked


def test_stdout_is_left_to_json_whatever_torchvision_prints(tmp_path, small_cifar, monkeypatch, capsys):
    download = CIFAR10.download
    monkeypatch.setattr(CIFAR10, "download", lambda cifar: print("Downloading") or download(cifar))
    load_dataset("cifar10", tmp_path / "root")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Downloading" in printed.err


def test_an_unreachable_cifar10_is_one_data_error(tmp_path, monkeypatch):
    monkeypatch.setattr(CIFAR10, "url", "https://127.0.0.1:9/x.tar.gz")
    with pytest.raises(DataError, match=r"Tried: https://127\.0\.0\.1:9/x\.tar\.gz: .*refused.* yourself"):
        load_dataset("cifar10", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_space_is_a_storage_error(tmp_path, small_cifar, monkeypatch):
    def fill_the_disk(*arguments, **keywords):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(CIFAR10, "download", fill_the_disk)
    with pytest.raises(StorageError, match="No space is left to write"):
        load_dataset("cifar10", tmp_path / "root")
    assert list((tmp_path / "root").iterdir()) == []


def test_a_damaged_cifar10_is_named_and_replaced_only_by_a_good_one(tmp_path, small_cifar, monkeypatch):
    root = tmp_path / "root"
    load_dataset("cifar10", root)
    damaged = root / "cifar-10-batches-py" / "test_batch"
    damaged.write_bytes(b"damaged")
    good_archive = small_cifar.read_bytes()
    small_cifar.write_bytes(good_archive[:-50])
    with pytest.raises(DataError, match=f"Damaged and not used: {damaged}.*Tried: {CIFAR10.url}"):
        load_dataset("cifar10", root)
    assert damaged.read_bytes() == b"damaged"
    assert [path.name for path in root.iterdir()] == ["cifar-10-batches-py"]
    small_cifar.write_bytes(good_archive)
    assert load_dataset("cifar10", root).test.labels.tolist() == [2, 9]
