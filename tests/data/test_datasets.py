from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest

from euinet.data.far.sets import far_names, load_far
from euinet.data.sets import datasets
from euinet.data.sets.datasets import (
    DATASETS,
    class_names,
    fetch_dataset,
    is_at_hand,
    load_dataset,
    register_dataset,
)
from euinet.data.split.fingerprint import dataset_fingerprint
from euinet.errors import DataError, UsageError
from euinet.records import LabelledImages


def test_a_named_idx_set_is_read_from_the_data_root(tmp_path, monkeypatch, small_mnist, idx_files):
    small = datasets.idx_set(small_mnist, tuple("0123456789"))
    monkeypatch.setitem(datasets.DATASETS._entries, "mnist", small)
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name, content in idx_files.items():
        (folder / name).write_bytes(content)
    found = load_dataset("mnist", tmp_path)
    assert (found.name, found.class_names[7]) == ("mnist", "7")
    assert found.train.images.shape == (12, 1, 28, 28)
    assert found.test.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert found.train.images[0].tobytes() == idx_files["train-images-idx3-ubyte"][16 : 16 + 784]
    assert fetch_dataset("mnist", tmp_path) == folder


def test_digits_need_no_network_and_have_mnists_geometry():
    digits = load_dataset("digits")
    assert digits.train.images.shape[1:] == (1, 28, 28)
    assert len(digits.train) + len(digits.test) == 1797
    # A fifth of each class, within rounding.
    for digit in range(10):
        train, test = (int((part.labels == digit).sum()) for part in (digits.train, digits.test))
        assert test == round(0.2 * (train + test))
    # Dark background, bright digit, a margin of 4 as in MNIST: 20 × 20 pixels hold everything.
    assert int(digits.train.images.max()) == 255
    assert digits.train.images[:, :, 4:24, 4:24].sum() == digits.train.images.sum()
    again = load_dataset("digits")
    assert np.array_equal(digits.test.images, again.test.images)


def test_digits_show_what_scikit_learn_has():
    from sklearn.datasets import load_digits

    digits = load_dataset("digits")
    images = np.concatenate([digits.train.images, digits.test.images])[:, 0, 4:24, 4:24]
    labels = np.concatenate([digits.train.labels, digits.test.labels])
    bunch = load_digits()
    for digit in range(10):
        ours = images[labels == digit].mean()
        theirs = bunch.images[bunch.target == digit].mean() * 255 / 16
        assert float(ours) == pytest.approx(float(theirs), rel=0.02)


def test_an_unknown_name_gets_a_suggestion_and_the_allowed_names(tmp_path):
    with pytest.raises(UsageError, match=r"'Mnst'\. Did you mean 'mnist'\?") as caught:
        load_dataset("Mnst", tmp_path)
    assert all(name in str(caught.value) for name in DATASETS.names())
    with pytest.raises(UsageError, match="Did you mean 'cifar10'"):
        fetch_dataset("cifar-10", tmp_path)


def test_a_named_set_keeps_its_own_size():
    with pytest.raises(UsageError, match="64, but digits keeps its own size"):
        load_dataset("digits", image_size=64)


def test_fetching_digits_tells_where_they_are():
    assert (fetch_dataset("digits") / "digits.csv.gz").is_file()


def test_digits_have_the_pixels_that_models_were_trained_on():
    # torch's bilinear upsampling made them: many lie halfway between two grey levels and round by its noise
    assert dataset_fingerprint(load_dataset("digits")) == "37537782e347d81c"


def test_digits_without_scikit_learn_name_the_extra(monkeypatch):
    for name in ("sklearn", "sklearn.datasets"):
        monkeypatch.setitem(sys.modules, name, None)
    assert not is_at_hand("digits")
    for ask in (load_dataset, fetch_dataset):
        with pytest.raises(UsageError, match=r"digits needs the package sklearn, .*'euinet\[train\]'"):
            ask("digits")


@pytest.mark.usefixtures("no_way")
def test_what_cannot_be_had_is_one_data_error(tmp_path):
    with pytest.raises(DataError, match="KMNIST is not complete"):
        load_dataset("kmnist", tmp_path)


@pytest.mark.slow
def test_the_real_mnist():
    mnist = load_dataset("mnist")
    assert mnist.train.images.shape == (60000, 1, 28, 28)
    # Class counts as published with the set.
    assert np.bincount(mnist.train.labels).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949
    ]  # fmt: skip
    assert np.bincount(mnist.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert dataclasses.asdict(mnist)["class_names"][0] == "0"


# --- another package's ---------------------------------------------------------------------------


@pytest.fixture
def _kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for kept in ("_entries", "_modules"):
        monkeypatch.setattr(DATASETS, kept, dict(getattr(DATASETS, kept)))


@pytest.mark.usefixtures("_kept")
def test_a_registered_set_is_loaded_fetched_and_far_from_others(tmp_path):
    asked = []

    @register_dataset("stripes", ("across", "down"), is_there=lambda root: root == tmp_path)
    def stripes(root, notify):
        asked.append(root)
        part = LabelledImages(np.zeros((6, 1, 8, 8), np.uint8), np.arange(6) % 2)
        return part, part.where(np.arange(4))

    found = load_dataset("stripes", tmp_path)
    assert (found.name, found.class_names) == ("stripes", ("across", "down"))
    assert (len(found.train), len(found.test)) == (6, 4)
    assert fetch_dataset("stripes", tmp_path) == tmp_path
    assert asked == [tmp_path] * 2
    assert is_at_hand("stripes", tmp_path)
    assert not is_at_hand("stripes", tmp_path / "elsewhere")
    assert "stripes" in far_names()
    assert load_far("stripes", 1, 8, tmp_path).labels == ("across", "down", "across", "down")
    assert class_names("stripes") == ("across", "down")
    assert class_names("a folder's name") == ()


@pytest.mark.usefixtures("_kept")
@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_without_a_class_is_a_sentence(label):
    @register_dataset("stripes", ("across", "down"))
    def stripes(root, notify):
        part = LabelledImages(np.zeros((2, 1, 8, 8), np.uint8), np.array([0, label]))
        return part, part

    assert not is_at_hand("stripes")  # it may have to be fetched: it did not say
    with pytest.raises(DataError, match=r"stripes has labels .*, but 2 classes: they must be 0 … 1"):
        load_dataset("stripes")


def test_a_name_of_ours_cannot_be_taken():
    with pytest.raises(UsageError, match=r"a data set 'mnist' already, in euinet\.data\.sets\.datasets"):
        register_dataset("mnist", ("0", "1"))(lambda root, notify: pytest.fail("it was loaded"))
