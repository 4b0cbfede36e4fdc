from __future__ import annotations

import errno
import hashlib
import io
import os
import pickle
import sys
import tarfile

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from euinet.data.sets import cifar
from euinet.data.sets.datasets import is_at_hand, load_dataset
from euinet.errors import DataError, StorageError, UsageError

NAMES = ["data_batch_1", "data_batch_2", "test_batch", "batches.meta"]


def python_2_pickle(pixels, labels):
    """Return a batch as CIFAR-10's authors pickled it: protocol 2, byte strings, NumPy's old names."""
    count, row = pixels.shape
    u1 = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    shape = b"K" + bytes([count]) + b"M" + row.to_bytes(2, "little") + b"\x86"
    content = b"T" + pixels.size.to_bytes(4, "little") + pixels.tobytes()
    numbers = b"".join(b"K" + bytes([label]) for label in labels)
    array = made + b"(K\x01" + shape + u1 + b"\x89" + content + b"tb"
    return b"\x80\x02}(U\x04data" + array + b"U\x06labels](" + numbers + b"eu."


@pytest.fixture
def small_cifar(server, monkeypatch):
    """An archive like CIFAR-10's with two images a batch, behind the address that torchvision asks."""
    contents = {"batches.meta": pickle.dumps({"label_names": list("abcdefghij")})}
    for number, name in enumerate(NAMES[:3]):
        pixels = np.arange(2 * 3072).reshape(2, 3072).astype(np.uint8) + number
        contents[name] = python_2_pickle(pixels, [number, 9])
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
    monkeypatch.setattr(cifar, "TRAIN_FILES", {name: md5[name] for name in NAMES[:2]})
    monkeypatch.setattr(cifar, "TEST_FILES", {NAMES[2]: md5[NAMES[2]]})
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


def test_an_intact_folder_is_read_without_torchvision_and_nothing_is_fetched_without(
    tmp_path, small_cifar, monkeypatch
):
    root = tmp_path / "root"
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    with pytest.raises(UsageError, match=r"CIFAR10 is not complete in .*torchvision.*euinet\[train\]"):
        load_dataset("cifar10", root)
    assert not is_at_hand("cifar10", root)
    folder = root / cifar.FOLDER
    folder.mkdir(parents=True)
    with tarfile.open(small_cifar) as tar:
        for name in NAMES[:3]:
            (folder / name).write_bytes(tar.extractfile(f"{cifar.FOLDER}/{name}").read())
    assert load_dataset("cifar10", root).test.labels.tolist() == [2, 9]
    assert is_at_hand("cifar10", root)


def test_the_folder_and_the_checksums_are_torchvisions():
    assert CIFAR10.base_folder == cifar.FOLDER
    assert dict(CIFAR10.train_list) == cifar.TRAIN_FILES
    assert dict(CIFAR10.test_list) == cifar.TEST_FILES


class Command:
    def __reduce__(self):
        return os.system, ("touch it-ran",)


@pytest.mark.parametrize("content", [pickle.dumps(Command()), b"no pickle", pickle.dumps({"data": 3})])
def test_what_else_stands_in_a_pickle_is_refused_and_not_run(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "batch").write_bytes(content)
    monkeypatch.setattr(cifar, "FOLDER", ".")
    monkeypatch.setattr(cifar, "TRAIN_FILES", {"batch": ""})
    with pytest.raises(DataError, match="batch is no batch of CIFAR-10"):
        cifar.load_cifar10(tmp_path)
    assert not (tmp_path / "it-ran").exists()
