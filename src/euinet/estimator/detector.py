"""The outlier view: +1 where an image is of a known class, −1 where it is none of these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.utils.validation import check_is_fitted

if TYPE_CHECKING:
    from euinet.estimator.classifier import EuiNetClassifier


class EuiNetOutlierDetector(OutlierMixin, BaseEstimator):  # type: ignore[misc]  # no types
    """An `EuiNetClassifier` seen as one of scikit-learn's outlier detectors.

    Made by `EuiNetClassifier.as_outlier_detector`, or of an unfitted classifier and then fitted on X and its
    classes y: EuiNet learns what is known from what tells it apart. X is as `EuiNetClassifier` takes it.
    After `fit`: `classifier_`; `offset_`, what `decision_function` takes from `score_samples` (NaN where each
    class has a threshold of its own).
    """

    def __init__(self, classifier: EuiNetClassifier | None = None) -> None:
        self.classifier = classifier

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Fit a clone of the classifier on X with classes y (n,). Raises as it does."""
        from euinet.estimator.classifier import EuiNetClassifier

        chosen = EuiNetClassifier() if self.classifier is None else self.classifier
        return self._of(clone(chosen).fit(X, y))

    def fit_predict(self, X: Any, y: Any) -> npt.NDArray[np.int64]:  # noqa: N803
        """Fit on X with classes y (n,) and return +1 or −1 for the same rows, (n,).

        Most of them were trained on, so that fewer are rejected than `alpha` promises for new ones.
        """
        return self.fit(X, y).predict(X)

    def _of(self, fitted: EuiNetClassifier) -> Self:
        self.classifier_ = fitted
        self.n_features_in_ = fitted.n_features_in_
        calibration = fitted.model_.calibration
        thresholds = np.zeros(1) if calibration is None else calibration.thresholds(len(fitted.classes_))
        self.offset_ = -float(thresholds[0]) if len(set(thresholds.tolist())) == 1 else float("nan")
        return self

    def predict(self, X: Any) -> npt.NDArray[np.int64]:  # noqa: N803
        """Return +1 for known and −1 for none of these, (n,)."""
        check_is_fitted(self, "classifier_")
        return np.where(self.classifier_.decision(X).rejected, -1, 1)

    def score_samples(self, X: Any) -> npt.NDArray[np.float64]:  # noqa: N803
        """Return −`ood_score` (n,): higher = more normal."""
        check_is_fitted(self, "classifier_")
        return self.classifier_.score_samples(X)

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:  # noqa: N803
        """Return how far below its threshold each row's `ood_score` lies (n,): negative = none of these."""
        check_is_fitted(self, "classifier_")
        decision = self.classifier_._decide(X)
        return decision.threshold.astype(np.float64) - decision.ood_score.astype(np.float64)
