"""EuiNet as scikit-learn uses it."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import check_estimator

import euinet
from euinet.estimator import EuiNetClassifier, EuiNetOutlierDetector, SmallPromiseWarning
from euinet.estimator.classifier import TableWarning
from euinet.estimator.layout import EmbeddingLayout, find_layout

QUICK = {
    "model.trunk_widths": [8, 16],
    "model.embedding": 16,
    "model.disc_hidden": 8,
    "model.memory_per_class": 10,
    "training.epochs": 1,
    "training.min_steps": 40,
    "training.poses": 0,
    "training.batch_size": 32,
    "training.average_decay": 0.0,
    "training.optimizer.learning_rate": 0.01,
    "data.augmentation": 0,
    "gan.generator": "dense",
    "gan.width": 8,
    "gan.latent_size": 4,
    "disc.outliers": 13,
    "disc.mixtures": 4,
    "disc.reals": 8,
}
LONGER = QUICK | {"training.min_steps": 300}
UNKNOWN = 4


def quick(**changes: Any) -> EuiNetClassifier:
    given = {"settings": QUICK, "random_state": 0, "device": "cpu", "alpha": 0.1} | changes
    return EuiNetClassifier(**given)


@pytest.fixture(scope="module")
def digits() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    data = load_digits()
    return (data.images * 15).astype(np.uint8), data.target


@pytest.fixture(scope="module")
def fitted(digits: tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]) -> EuiNetClassifier:
    """Taught the digits but 4, by the first 1,200 of them."""
    images, labels = digits
    known = np.flatnonzero(labels[:1200] != UNKNOWN)
    return quick(settings=LONGER).fit(images[known], labels[known])


@pytest.fixture(scope="module")
def later(
    digits: tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]],
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    return digits[0][1200:], digits[1][1200:]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_is_an_estimator_by_scikit_learns_own_checks() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SmallPromiseWarning)
        warnings.simplefilter("ignore", TableWarning)
        results = check_estimator(quick(), on_skip=None)
    assert len(results) > 50
    assert {result["status"] for result in results} <= {"passed", "skipped"}
    assert not any(result["expected_to_fail"] for result in results)


def test_an_unknown_class_is_told_from_the_known_ones(
    fitted: EuiNetClassifier, later: tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]
) -> None:
    images, labels = later
    odd = labels == UNKNOWN
    assert fitted.score(images[~odd], labels[~odd]) > 0.85
    assert roc_auc_score(odd, fitted.ood_score(images)) > 0.85
    np.testing.assert_array_equal(fitted.score_samples(images), -fitted.ood_score(images))
    assert fitted.p_value(images[odd]).mean() < fitted.p_value(images[~odd]).mean() / 3


def test_the_view_of_outliers_and_the_reject_label_agree(
    fitted: EuiNetClassifier, later: tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]
) -> None:
    images, _ = later
    view = fitted.as_outlier_detector()
    signs, distance = view.predict(images), view.decision_function(images)
    assert set(signs) == {1, -1}
    np.testing.assert_array_equal(signs == -1, distance < 0)
    np.testing.assert_allclose(view.score_samples(images) - view.offset_, distance, atol=1e-5)
    np.testing.assert_array_equal(signs == -1, fitted.p_value(images) <= fitted.alpha_)
    closed = fitted.predict(images)
    assert set(closed) <= set(fitted.classes_)
    fitted.reject_label = -1
    try:
        opened = fitted.predict(images)
        fitted.reject_label = "none of these"
        named = fitted.predict(images)
    finally:
        fitted.reject_label = None
    np.testing.assert_array_equal(opened, np.where(signs == -1, -1, closed))
    assert opened.dtype == closed.dtype
    assert named.dtype == object
    np.testing.assert_array_equal(named == "none of these", signs == -1)


def test_probabilities_are_of_the_classes_and_sum_to_one(
    fitted: EuiNetClassifier, later: tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]
) -> None:
    probabilities = fitted.predict_proba(later[0])
    assert probabilities.shape == (len(later[0]), 9)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(fitted.classes_[probabilities.argmax(axis=1)], fitted.predict(later[0]))
    assert UNKNOWN not in fitted.classes_


def test_every_layout_of_the_same_images_is_the_same(
    fitted: EuiNetClassifier, later: tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]
) -> None:
    images = later[0][:20]
    expected = fitted.ood_score(images)
    for other in (images.reshape(20, 64), images[..., None], images[:, None]):
        np.testing.assert_array_equal(fitted.ood_score(other), expected)
    np.testing.assert_array_equal(np.concatenate([fitted.ood_score(i[None]) for i in images]), expected)


def test_it_is_the_model_that_is_saved(
    fitted: EuiNetClassifier, later: tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]], tmp_path: Any
) -> None:
    fitted.model_.save_pretrained(tmp_path)
    answers = euinet.load(tmp_path).predict(later[0])
    np.testing.assert_allclose(answers.ood_score, fitted.ood_score(later[0]), rtol=1e-4, atol=1e-4)
    assert answers.class_names == tuple("012356789")


def test_pickle_and_clone(
    fitted: EuiNetClassifier, later: tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]
) -> None:
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.ood_score(later[0][:9]), fitted.ood_score(later[0][:9]))
    assert clone(fitted).get_params() == fitted.get_params()
    assert not hasattr(clone(fitted), "model_")


def test_the_same_seed_gives_the_same_and_nothing_global_changes(
    digits: tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]],
) -> None:
    import torch

    images, labels = digits[0][:200], digits[1][:200]
    before = torch.random.get_rng_state()
    with pytest.warns(SmallPromiseWarning, match="alpha 0.01 needs 99 calibration images"):
        first = quick(alpha=0.01).fit(images, labels)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert first.alpha_ > 0.01
    again = quick().fit(images, labels)
    np.testing.assert_array_equal(first.ood_score(images), again.ood_score(images))


def test_pipelines_and_grids_run(digits: tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]) -> None:
    images, labels = digits[0][:300].reshape(300, 64) / 240, digits[1][:300]
    pipeline = make_pipeline(MinMaxScaler(clip=True), quick(pixel_range=(0, 1)))
    grid = {"euinetclassifier__alpha": [0.05, 0.2], "euinetclassifier__epsilon": [0.0, 0.01]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(images, labels)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_score_ > 0.5
    assert search.predict(images[:5]).shape == (5,)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"alpha": 0.7}, "scoring.alpha"),
        ({"preset": "defualt"}, "Did you mean 'default'"),
        ({"settings": {"training.epoch": 3}}, "Did you mean 'training.epochs'"),
        ({"settings": [1]}, "must be a dict"),
        ({"settings": {"scoring.alpha": 0.1}}, "give it there alone"),
        ({"image_shape": (9, 9)}, "give the shape of one image"),
        ({"pixel_range": (1, 0)}, "pixel_range"),
        ({"random_state": -1}, "random_state"),
        ({"device": "gpu"}, "There is no device 'gpu'"),
        ({"reject_label": 1}, "reject_label=1 is one of the classes"),
    ],
)
def test_what_is_not_allowed_is_a_sentence(changes: dict[str, Any], says: str) -> None:
    rows, labels = np.random.default_rng(0).random((80, 64)), np.arange(80) % 2
    with pytest.raises(ValueError, match=says):
        quick(**changes).fit(rows, labels)


def embeddings(columns: int, kind: str) -> npt.NDArray[np.float32]:
    """Thirty rows as networks give them."""
    drawn = np.random.default_rng(0).normal(size=(30, columns)).astype(np.float32)
    if kind == "unit":
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return np.maximum(drawn, 0) if kind == "relu" else drawn


@pytest.mark.parametrize("kind", ["plain", "unit", "relu"])
@pytest.mark.parametrize("columns", [64, 100, 128, 384, 512, 768, 1024, 2048, 4096])
def test_embeddings_are_such_and_not_laid_out_as_pixels(columns: int, kind: str) -> None:
    X = embeddings(columns, kind)  # noqa: N806
    for given in (X, X.astype(np.float64), X.astype(np.float16)):
        layout = find_layout(given, None, None)
        assert isinstance(layout, EmbeddingLayout)
        np.testing.assert_array_equal(layout.squares(given), given.astype(np.float32))
        with pytest.raises(ValueError, match="X looks like embeddings and not like images"):
            find_layout(given, None, None, "images")


def test_rows_are_embeddings_when_that_is_said() -> None:
    rows = np.random.default_rng(0).random((30, 64))  # which may as well be images
    assert find_layout(rows, None, None).shape == (8, 8)
    assert isinstance(find_layout(rows, None, None, "embeddings"), EmbeddingLayout)
    with pytest.raises(ValueError, match="neither image_shape nor pixel_range"):
        find_layout(rows, (8, 8), None, "embeddings")
    with pytest.raises(ValueError, match="input is 'rows', but must be one of auto, images, embeddings"):
        find_layout(rows, None, None, "rows")


def test_embeddings_are_learned_from_as_they_are() -> None:
    draw = np.random.default_rng(0)
    y = np.arange(120) % 3
    X = 3 * draw.normal(size=(3, 70))[y] + draw.normal(size=(120, 70))  # noqa: N806
    fitted = EuiNetClassifier(alpha=0.1, settings={"training.min_steps": 60}, random_state=0).fit(X, y)
    assert fitted.input_ == "embeddings"
    assert fitted.trained_.card.width == 70
    new = 3 * np.random.default_rng(0).normal(size=(3, 70))[y] + draw.normal(size=(120, 70))
    assert (fitted.predict(new) == y).mean() > 0.95
    with pytest.raises(ValueError, match="X has 69 features"):
        fitted.predict(new[:, 1:])


def test_rows_that_are_images_are_no_embeddings(digits: tuple[npt.NDArray[np.uint8], Any]) -> None:
    rows = digits[0].reshape(len(digits[0]), -1)
    for pixels in (rows, rows / 255, rows / 127.5 - 1, rows / 255 - 0.5, rows * 0.9, rows // 15):
        assert find_layout(pixels, None, None).shape == (8, 8)
    standardised = (rows - rows.mean()) / rows.std()
    assert isinstance(find_layout(standardised, None, None), EmbeddingLayout)
    with pytest.raises(ValueError, match="image_shape or pixel_range"):
        find_layout(standardised, None, None, "images")
    assert find_layout(standardised, (8, 8), None).shape == (8, 8)
    assert find_layout(standardised, None, (-2, 2)).shape == (8, 8)


def test_that_a_table_is_laid_out_as_an_image_is_told() -> None:
    with pytest.warns(TableWarning, match="The 10 columns of X are no image"):
        quick(alpha=None).fit(embeddings(10, "plain"), np.arange(30) % 3)


def test_classes_that_are_too_small_are_named() -> None:
    rows = np.random.default_rng(0).random((12, 64))
    with pytest.raises(ValueError, match="number of classes must be at least 2"):
        quick().fit(rows, np.zeros(12))
    with pytest.raises(ValueError, match=r"fewer of cat \(2\)"):
        quick().fit(rows, ["dog"] * 10 + ["cat"] * 2)


def test_the_detector_is_an_estimator_of_its_own(
    digits: tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]],
) -> None:
    images, labels = digits[0][:300], digits[1][:300]
    detector = EuiNetOutlierDetector(quick(alpha=0.2)).fit(images, labels)
    found = detector.predict(images)
    assert (found == 1).mean() > 0.5
    assert detector.n_features_in_ == 64
    again = EuiNetOutlierDetector(quick(alpha=0.2)).fit_predict(images, labels)
    assert again.tolist() == found.tolist()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_cross_validated_on_digits(digits: tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]) -> None:
    from sklearn.model_selection import cross_val_score

    settings = QUICK | {"training.min_steps": 600}
    assert cross_val_score(quick(settings=settings), *digits, cv=3).mean() > 0.9
