"""The nearest training images: the right ones, of the training part alone, and never fetched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from explain_settings import Exported
from sklearn.neighbors import NearestNeighbors

from decision_files import with_card
from euinet.answers import IntArray, PixelArray
from euinet.data.sets.datasets import load_dataset
from euinet.data.split.fingerprint import dataset_fingerprint
from euinet.data.split.holdout import split_dataset
from euinet.explain import Explainer, NeighbourBank, load_bank
from euinet.model.model import Model
from euinet.scoring.inference import in_batches, read_perturbed
from euinet.trained.model import TrainedModel
from reading_plain import image_of

DIGITS = tuple("123456789")


@pytest.fixture(scope="module")
def both(exported: Callable[[str], Exported]) -> Exported:
    return exported("perturbed")


@pytest.fixture(scope="module")
def model(both: Exported) -> Model:
    return both.model


@pytest.fixture(scope="module")
def known(random_images: Callable[..., torch.Tensor]) -> tuple[PixelArray, IntArray]:
    return random_images(90, 3, 16, 16, seed=2).numpy(), np.arange(90) % 3


def digits_model(**card: Any) -> Model:
    """A light meter with the card of a model of scikit-learn's digits, 0 held out."""
    values: dict[str, Any] = {
        "data": "digits",
        "data_fingerprint": dataset_fingerprint(load_dataset("digits")),
        "class_names": DIGITS,
        "known_classes": tuple(range(1, 10)),
        "unknown_classes": (0,),
        "image_size": 28,
    }
    return Model(with_card(**values | card), "digits")


def features_of(model: TrainedModel, images: PixelArray) -> np.ndarray:
    """Return what the network itself reads."""

    def read(inputs: torch.Tensor) -> torch.Tensor:
        return read_perturbed(model.folded, inputs, model.card.preset.scoring).features

    return in_batches(read, images, torch.device("cpu"))[0].numpy()


def test_the_nearest_are_those_of_scikit_learn(
    both: Exported, known: tuple[PixelArray, IntArray], random_images: Callable[..., torch.Tensor]
) -> None:
    images, labels = known
    trained, model = both
    bank = NeighbourBank.of(model, images, labels)
    asked = random_images(12, 3, 16, 16, seed=3).numpy()
    judge = NearestNeighbors(n_neighbors=8, metric="cosine", algorithm="brute")
    distances, places = judge.fit(features_of(trained, images)).kneighbors(features_of(trained, asked))
    for at, one in enumerate(Explainer(model, bank).explain(asked)):
        found = one["neighbours"]
        np.testing.assert_allclose([near["distance"] for near in found], distances[at], atol=1e-3)
        assert [near["distance"] for near in found] == sorted(near["distance"] for near in found)
        best = places[at][0]
        if distances[at][1] - distances[at][0] > 2e-3:  # else rounding to float16 decides
            np.testing.assert_array_equal(image_of(found[0]["image"]), images[best])
            assert found[0]["label"] == model.card.class_names[labels[best]]


def test_an_image_of_the_bank_is_nearest_to_itself(model: Model, known: tuple[PixelArray, IntArray]) -> None:
    images, labels = known
    bank = NeighbourBank.of(model, images, labels)
    one = Explainer(model, bank).explain(images[17:18])[0]["neighbours"][0]
    np.testing.assert_array_equal(image_of(one["image"]), images[17])
    assert one["distance"] == pytest.approx(0, abs=1e-3)
    assert one["label"] == model.card.class_names[17 % 3]


def test_a_large_bank_is_cut_to_equally_many_of_each_class(model: Model) -> None:
    labels = np.array([0] * 60 + [1] * 25 + [2] * 5)
    images = np.arange(90, dtype=np.uint8).reshape(90, 1, 1, 1).repeat(3, 1).repeat(16, 2).repeat(16, 3)
    bank = NeighbourBank.of(model, images, labels, most=25)
    assert np.bincount(bank.labels).tolist() == [10, 10, 5]
    np.testing.assert_array_equal(labels[bank.images[:, 0, 0, 0]], bank.labels)


def test_features_are_rounded_to_halves_so_that_a_page_has_the_same(
    model: Model, known: tuple[PixelArray, IntArray]
) -> None:
    bank = NeighbourBank.of(model, *known)
    np.testing.assert_array_equal(bank.features.astype(np.float16).astype(np.float32), bank.features)
    np.testing.assert_allclose(np.linalg.norm(bank.features, axis=1), 1, atol=1e-3)


def test_a_bank_holds_training_images_of_known_classes_alone() -> None:
    model = digits_model()
    bank = load_bank(model)
    assert bank is not None
    assert len(bank) > 500
    split = split_dataset(load_dataset("digits"), ["0"], model.card.preset.data, model.card.seed)
    trained = {image.tobytes() for image in split.train.images}
    kept_aside = [split.validation, split.calibration, split.test]
    others = {image.tobytes() for part in kept_aside for image in part.images} - trained
    assert others
    shown = {image.tobytes() for image in bank.images}
    assert shown <= trained
    assert not shown & others
    assert {bank.class_names[label] for label in bank.labels} == set(DIGITS)


def test_a_model_whose_classes_were_renamed_has_the_same_bank() -> None:
    names = ("zero", *DIGITS[1:])  # 1 is called zero: not the class that was held out
    bank, renamed = load_bank(digits_model()), load_bank(digits_model(class_names=names))
    assert bank is not None
    assert renamed is not None
    np.testing.assert_array_equal(renamed.images, bank.images)
    assert renamed.class_names == names
    swapped = load_bank(digits_model(class_names=("0", *(f"digit {n}" for n in range(2, 10)))))
    assert swapped is not None
    np.testing.assert_array_equal(swapped.labels, bank.labels)
    said: list[str] = []
    assert load_bank(digits_model(class_names=names, data_fingerprint=None), notify=said.append) is None
    assert "other classes" in said[0]


def test_other_images_of_the_same_name_are_no_bank() -> None:
    said: list[str] = []
    assert load_bank(digits_model(data_fingerprint="0" * 16), notify=said.append) is None
    assert "other images" in said[0]


def test_what_is_not_at_hand_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = digits_model()
    monkeypatch.setattr(
        "euinet.data.sets.datasets.load_dataset", lambda *_, **__: pytest.fail("it was loaded")
    )
    for name in ("mnist", "kmnist", "cifar10", "no such data"):
        other = Model(with_card(data=name), "other")
        assert load_bank(other, tmp_path) is None
    assert load_bank(model, most=0) is None
    assert not list(tmp_path.iterdir())
