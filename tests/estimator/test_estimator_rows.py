"""EuiNetClassifier on embeddings: a row is one when told, or when it can be no image."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from euinet.estimator import EuiNetClassifier
from euinet.estimator.classifier import TableWarning
from euinet.estimator.layout import EmbeddingLayout, ImageLayout, find_layout

COLUMNS = 96
QUICK = {
    "training.min_steps": 60,
    "training.epochs": 1,
    "model.memory_per_class": 10,
    "model.disc_hidden": 16,
}


def clouds(each: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n, COLUMNS) around the middles of three classes, in units of their own."""
    draw = np.random.default_rng(seed)
    middles = np.random.default_rng(0).normal(size=(3, COLUMNS))
    labels = np.arange(3 * each) % 3
    return 7 * (2 * middles[labels] + draw.normal(size=(3 * each, COLUMNS))), np.array(["a", "b", "c"])[
        labels
    ]


def quick(**changes: Any) -> EuiNetClassifier:
    given = {"settings": QUICK, "random_state": 0, "device": "cpu", "alpha": 0.1} | changes
    return EuiNetClassifier(**given)


@pytest.fixture(scope="module")
def fitted() -> EuiNetClassifier:
    return quick(reject_label="none").fit(*clouds(80, 1))


def test_rows_that_cannot_be_images_are_learned_from_as_they_are(
    monkeypatch: pytest.MonkeyPatch, fitted: EuiNetClassifier
) -> None:
    monkeypatch.setattr(ImageLayout, "squares", lambda *_: pytest.fail("rows were laid out as pixels"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", TableWarning)
        again = clone(fitted).fit(*clouds(80, 1))
    assert (again.input_, again.n_features_in_, again.image_shape_) == ("embeddings", COLUMNS, (COLUMNS,))
    assert again.trained_.card.preset.name == "embeddings"
    rows, y = clouds(60, 2)
    np.testing.assert_allclose(again.ood_score(rows), fitted.ood_score(rows), atol=1e-5)  # the same seed
    found = fitted.predict(rows)
    assert (found[found != "none"] == y[found != "none"]).mean() > 0.97
    assert (found == "none").mean() < 0.3  # 10 % promised, of 180 rows
    far = 7 * 6 * np.random.default_rng(9).normal(size=(60, COLUMNS))
    assert (fitted.predict(far) == "none").mean() > 0.9


def test_its_model_reads_the_same_rows(fitted: EuiNetClassifier) -> None:
    rows, _ = clouds(10, 3)
    answers = fitted.model_.predict(rows)
    assert fitted.model_.card.width == COLUMNS
    np.testing.assert_allclose(answers.ood_score, fitted.ood_score(rows), atol=1e-4)
    np.testing.assert_allclose(fitted.predict_proba(rows).sum(axis=1), 1, atol=1e-6)


def test_it_can_be_pickled(fitted: EuiNetClassifier) -> None:
    rows, _ = clouds(10, 3)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(rows), fitted.predict(rows))


@pytest.mark.parametrize(
    "X", [clouds(10, 3)[0][:, :-1], clouds(10, 3)[0].reshape(30, 8, 12), np.full((2, COLUMNS), np.nan)]
)
def test_other_rows_are_refused(X: np.ndarray, fitted: EuiNetClassifier) -> None:  # noqa: N803
    with pytest.raises(ValueError, match=r"X has|contains NaN"):
        fitted.predict(X)


def test_few_columns_are_embeddings_when_told_and_else_a_table_with_a_warning() -> None:
    rows, y = clouds(40, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", TableWarning)
        assert quick(input="embeddings").fit(rows[:, :12], y).input_ == "embeddings"
    small = {"training.min_steps": 1, "training.epochs": 1, "model.trunk_widths": [4, 8]}
    table = quick(settings=small, preset="default")
    with pytest.warns(TableWarning, match="If they are embeddings, say input='embeddings'"):
        table.fit(rows[:, :12], y)
    assert table.input_ == "images"


DRAW = np.random.default_rng(4)


@pytest.mark.parametrize(
    ("X", "embedded"),
    [
        (DRAW.normal(size=(9, 384)), True),  # no square
        (DRAW.random((9, 384)), True),  # in 0 … 1, but no square
        (DRAW.normal(size=(9, 1024)) * 5, True),  # a square, but in no range of pixels
        (DRAW.random((9, 1024)) * 30, True),
        (np.maximum(DRAW.normal(size=(9, 2048)), 0), True),  # after a ReLU
        (DRAW.random((9, 784)), False),  # pixels as fractions
        (DRAW.random((9, 784)) * 255, False),
        (DRAW.integers(0, 256, (9, 784)), False),
        (DRAW.integers(0, 256, (9, 784)).astype(float), False),
        (DRAW.integers(0, 17, (9, 64)).astype(float), False),  # scikit-learn's digits
        (DRAW.normal(size=(9, 10)), False),  # a table
        (DRAW.random((9, 28, 28)), False),
    ],
)
def test_what_can_be_an_image_is_one(X: np.ndarray, embedded: bool) -> None:  # noqa: N803
    assert isinstance(find_layout(X, None, None), EmbeddingLayout) == embedded


def test_saying_what_is_not_so_is_one_sentence() -> None:
    rows, images = DRAW.normal(size=(9, 384)), DRAW.random((9, 28, 28))
    with pytest.raises(
        ValueError, match="looks like embeddings and not like images: 384 columns are no square"
    ):
        find_layout(rows, None, None, "images")
    with pytest.raises(
        ValueError, match=r"X of the shape \(9, 28, 28\) is to hold embeddings, which are rows"
    ):
        find_layout(images, None, None, "embeddings")
    with pytest.raises(ValueError, match="neither image_shape nor pixel_range"):
        find_layout(rows, (16, 24), None, "embeddings")
    with pytest.raises(ValueError, match="input is 'rows', but must be one of auto, images, embeddings"):
        find_layout(rows, None, None, "rows")
    assert find_layout(rows, (16, 24), None).shape == (16, 24)  # told, they are images after all
