"""EuiNet as a scikit-learn classifier."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, OutlierMixin, clone
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from euinet.answers import Answers
from euinet.estimator.layout import Array, EmbeddingLayout, ImageLayout, find_layout
from euinet.estimator.settings import as_value_errors, chosen_preset, chosen_seed, plain_array

if TYPE_CHECKING:
    from euinet.model.model import Model
    from euinet.presets import Preset
    from euinet.records import Decision
    from euinet.trained.model import TrainedModel

FEWEST_A_CLASS = 3  # images: one to train on, one to set ranges by, one to calibrate with


class SmallPromiseWarning(UserWarning):
    """`fit` had too few images to promise as small a share of false alarms as was asked for."""


class TableWarning(UserWarning):
    """The columns of X are no image, and were laid out as one."""


class EuiNetClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn comes without types
    """An image classifier that can also say "none of these", trained by `fit` on images and labels.

    Every method takes X as images (n, H, W), (n, H, W, C) or (n, C, H, W), C 1 or 3 (the last axis is taken
    for the channels where it can be), or as rows (n, d). Rows are images of `image_shape`; without it, d from
    64 that is a square number is a grey image of √d × √d pixels, and any other d columns are laid out as
    blocks of pixels in a small square, with TableWarning. That is a convenience, so that a table or a
    pipeline runs, and no recommendation: for tables there are better classifiers. Rows that look like
    embeddings are such, and are learned from as they are, never laid out: 64 or more columns of fractions in
    no square, or in no usual range of pixels; `input` "embeddings" or "images" says it instead. Images that
    are not square, smaller than 8 pixels or of a side that is no multiple of 4 are put into the middle of the
    least square that is, on dark ground.

    Values become 0 … 255 by `pixel_range`; left out, uint8 stays as it is, and of other types the range
    seen in `fit`, over all of X, is spread. Later values outside are clipped. Give `fit` and `predict` the
    same units.

    Parameters: `preset` (of embeddings, "embeddings" in the place of "default") and `settings`
    ({"training.epochs": 3}) decide the networks and their training; few
    images get as many more epochs as make training.min_steps.
    `alpha` is the promised share of known images that are rejected by mistake, 0 … 0.5 (None: the threshold
    stays where the preset puts it), with `per_class` within the images of each answer. `epsilon` and
    `disc_scale` are ε of the perturbation and α of eq. 4, in the preset's units (None: the preset's).
    `reject_label` is what `predict` gives for "none of these" (None: always a class). `device`: auto, cpu,
    cuda or mps. `random_state`: the same whole number gives the same result on one machine and number of
    threads. `verbose` shows the training's progress.

    After `fit`: `input_`, images or embeddings; `classes_` (K,) sorted; `trained_`, the network; `model_`,
    the same as `euinet.Model`, which `model_.save_pretrained(folder)` writes for `euinet.load` and the
    command line (it reads uint8 squares, and has class names for labels; joblib and pickle keep the whole
    estimator, which then scores on the CPU); `alpha_`, what could be promised (None: nothing was);
    `image_shape_` of a row; `pixel_range_`; `n_features_in_`, the values of a row.
    """

    def __init__(
        self,
        *,
        preset: str = "default",
        settings: Mapping[str, Any] | None = None,
        alpha: float | None = 0.01,
        per_class: bool = False,
        epsilon: float | None = None,
        disc_scale: float | None = None,
        image_shape: Sequence[int] | None = None,
        pixel_range: Sequence[float] | None = None,
        input: str = "auto",
        reject_label: Any = None,
        device: str = "auto",
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.preset = preset
        self.settings = settings
        self.alpha = alpha
        self.per_class = per_class
        self.epsilon = epsilon
        self.disc_scale = disc_scale
        self.image_shape = image_shape
        self.pixel_range = pixel_range
        self.input = input
        self.reject_label = reject_label
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> EuiNetClassifier:  # noqa: N803
        """Train on X, see above, with labels y (n,) of any kind that scikit-learn classifies.

        A part of X of its own sets ranges and another the promise. Where that is too small for `alpha`, the
        least that it can promise is taken and SmallPromiseWarning issued.
        Raises ValueError for a parameter, X or y that is not allowed: fewer than two classes, fewer than 3
        images of one, `per_class` with too few images. Raises TrainingError when training diverged, or
        learned nothing to set a threshold by.
        """
        X, y = plain_array(X), plain_array(y)  # noqa: N806
        X, y = validate_data(self, X, y, dtype="numeric", allow_nd=True)  # noqa: N806
        check_classification_targets(y)
        with as_value_errors():
            layout = find_layout(X, self.image_shape, self.pixel_range, self.input)
            embedded = isinstance(layout, EmbeddingLayout)
            preset, seed = self._chosen_preset(embedded=embedded), chosen_seed(self.random_state)
            if len(layout.shape) == 1 and not embedded:
                warnings.warn(
                    f"The {layout.shape[0]} columns of X are no image: they are laid out as blocks of one. "
                    "If they are embeddings, say input='embeddings'; other tables have better classifiers.",
                    TableWarning,
                    stacklevel=2,
                )
            classes, labels = np.unique(y, return_inverse=True)
            self._check_classes(classes, labels)
            self._check_reject_label(classes)
            self.trained_: TrainedModel = self._fitted_model(
                layout, X, labels, tuple(map(str, classes.tolist())), preset, seed
            )
        self.classes_ = classes
        self.n_features_in_ = int(np.prod(X.shape[1:]))
        self.input_ = "embeddings" if embedded else "images"
        self.image_shape_, self.pixel_range_ = layout.shape, (layout.low, layout.high)
        calibration = self.trained_.calibration
        self.alpha_ = None if calibration is None else calibration.alpha
        return self

    @property
    def model_(self) -> Model:
        """The fitted model as everybody uses it, in memory; made anew each time, which takes seconds."""
        check_is_fitted(self)
        from euinet.export.save import runtime_model

        return runtime_model(self.trained_, type(self).__name__)

    def predict(self, X: Any) -> Array:  # noqa: N803
        """Return the class of each row (n,), or `reject_label` where one was given and the row is rejected.

        The array is of `classes_`' type if that can hold the label, else of objects.
        """
        decision = self._decide(X)
        found: Array = self.classes_[decision.classifier_labels]
        if self.reject_label is None:
            return found
        label = np.asarray(self.reject_label)
        alike = label.dtype.kind == found.dtype.kind or {label.dtype.kind, found.dtype.kind} <= set("iuf")
        found = found.astype(np.result_type(found, label) if alike else object)
        found[decision.labels < 0] = self.reject_label
        return found

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:  # noqa: N803
        """Return the classifier's probabilities (n, K) of `classes_`, as if no row were rejected.

        The one softmax without "none of these", renormalised: rows sum to 1. `decision` has all of it.
        """
        # Of the scores, not of the softmax: where an image is surely rejected, that leaves nothing for them.
        scores = self._decide(X).scores[:, 1:].astype(np.float64)
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        probabilities: npt.NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
        return probabilities

    def ood_score(self, X: Any) -> npt.NDArray[np.float64]:  # noqa: N803
        """Return how far out of distribution each row is (n,): higher = more."""
        return self._decide(X).ood_score.astype(np.float64)

    def score_samples(self, X: Any) -> npt.NDArray[np.float64]:  # noqa: N803
        """Return −`ood_score` (n,): higher = more normal, as scikit-learn's outlier detectors count."""
        return -self.ood_score(X)

    def p_value(self, X: Any) -> npt.NDArray[np.float64]:  # noqa: N803
        """Return which share of known images looks at least as odd as each row (n,): 1/(m+1) … 1.

        m is the number of calibration images, with `per_class` of those with the same answer. With a promise,
        a row is rejected where this is at most `alpha_`.
        """
        found = self.decision(X).p_value
        assert found is not None  # fit always calibrates
        return found.astype(np.float64)

    def decision(self, X: Any) -> Answers:  # noqa: N803
        """Return all that EuiNet says of each row, as `Model.predict`; labels are places in `classes_`."""
        return self.trained_.answers(self._decide(X))

    def as_outlier_detector(self) -> EuiNetOutlierDetector:
        """Return the fitted classifier as a fitted outlier detector: +1 known, −1 none of these."""

        check_is_fitted(self)
        return EuiNetOutlierDetector(self)._of(self)

    def _chosen_preset(self, *, embedded: bool) -> Preset:
        name = "embeddings" if embedded and self.preset == "default" else self.preset
        return chosen_preset(
            name, self.settings, alpha=self.alpha, epsilon=self.epsilon, disc_scale=self.disc_scale
        )

    def _check_classes(self, classes: Array, labels: Array) -> None:
        """Raise ValueError unless there are two classes and images enough of each."""
        if len(classes) < 2:
            raise ValueError(
                "y has 1 class, but the number of classes must be at least 2: with one there is nothing to "
                "tell apart."
            )
        counts = np.bincount(labels)
        few = [
            f"{name} ({n})" for name, n in zip(classes.tolist(), counts, strict=True) if n < FEWEST_A_CLASS
        ]
        if few:
            raise ValueError(
                f"Each class needs at least {FEWEST_A_CLASS} images, but there are fewer of "
                f"{', '.join(few)}: add images or leave the class out."
            )

    def _check_reject_label(self, classes: Array) -> None:
        """Raise ValueError where "none of these" could not be told from a class."""
        if self.reject_label is not None and self.reject_label in classes.tolist():
            raise ValueError(
                f"reject_label={self.reject_label!r} is one of the classes in y: give a label that is none "
                "of them, or None for always a class."
            )

    def _fitted_model(
        self,
        layout: ImageLayout | EmbeddingLayout,
        X: Array,  # noqa: N803
        labels: Array,
        class_names: tuple[str, ...],
        preset: Preset,
        seed: int,
    ) -> TrainedModel:
        from euinet.estimator.fitting import fitted_model, part_images

        def notify(text: str) -> None:
            warnings.warn(text, SmallPromiseWarning, stacklevel=5)

        split = part_images(layout.squares(X), labels, class_names, preset, seed)
        if told := split.left_out.sentence():
            warnings.warn(told, UserWarning, stacklevel=4)
        return fitted_model(
            split,
            layout.images(X),
            preset,
            seed,
            per_class=self.per_class,
            device=self.device,  # type: ignore[arg-type]  # make_fabric checks it
            quiet=not self.verbose,
            notify=notify,
        )

    def _squares(self, X: Any) -> Array:  # noqa: N803
        """Return X as `fit` laid it out. Raises ValueError for rows of another shape or with other names."""
        check_is_fitted(self)
        X = plain_array(X)  # noqa: N806
        validate_data(self, X, reset=False, skip_check_array=True, ensure_2d=False)  # names of columns
        X = check_array(X, dtype="numeric", allow_nd=True)  # noqa: N806
        if X.ndim == 2 and X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {X.shape[1]} features, but {type(self).__name__} is expecting {self.n_features_in_} "
                "features as input"
            )
        if self.input_ == "embeddings":
            return EmbeddingLayout((self.n_features_in_,)).squares(X)
        return ImageLayout(self.image_shape_, *self.pixel_range_).squares(X)

    def _decide(self, X: Any) -> Decision:  # noqa: N803
        squares = self._squares(X)
        from euinet.estimator.fitting import read_one_by_one

        return read_one_by_one(self.trained_.decide, squares)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with the network on the CPU: it may be read where there is no GPU."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "trained_" in state:
            from euinet.estimator.fitting import on_cpu

            state["trained_"] = on_cpu(state["trained_"])
        return state


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
        calibration = fitted.trained_.calibration
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
