"""Known classes held out in turn: what the parts are worth, and what will be caught."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from euinet.fitting import with_filled_memory
from euinet.foresight.catch import ALPHAS, Scored, scored_folds
from euinet.foresight.folds import Fold, folds
from euinet.foresight.foresee import foresee
from euinet.foresight.weights import LEAST, part_weights
from euinet.networks.euinet import EuiNet
from euinet.networks.memory import KnownDistances
from euinet.networks.vectors import Standardise, VectorTrunk
from euinet.presets import Preset
from euinet.records import LabelledImages
from euinet.scoring.inference import remember
from euinet.training.players import measure
from vectors import vector_dataset, vector_preset, vector_split

NAMES = ("coat", "hat", "shoe", "sock", "tie")


def drawn(seed: int, shifts: list[float], count: int = 400, label: int = 0) -> Fold:
    """Parts of unknown images that lie `shifts` deviations above those of known ones."""
    draw = np.random.default_rng(seed)
    known, unknown = draw.normal(size=(2, count, len(shifts)))
    return Fold(label, known, unknown + shifts)


def network(preset: Preset) -> tuple[EuiNet, LabelledImages]:
    split = vector_split(hold_out=())
    made = EuiNet(with_filled_memory(preset, split).model, split.train.images.shape[1:], 4)
    assert isinstance(made.trunk, VectorTrunk)
    measure(made, made.trunk, split, preset.training)
    remember(made.eval(), split.train)
    return made, split.train


class TestWeights:
    def test_what_says_more_counts_for_more_and_what_says_nothing_for_little(self) -> None:
        weights = part_weights([drawn(seed, [1.0, 3.0, 0.0], label=seed) for seed in range(4)])
        assert weights.sum() == pytest.approx(1)
        assert weights[1] > weights[0] > weights[2] >= 0
        assert weights[2] < 0.7 * weights[0]

    def test_a_part_that_speaks_for_the_unknown_gets_nothing(self) -> None:
        weights = part_weights([drawn(seed, [2.0, -2.0, 2.0], label=seed) for seed in range(4)])
        assert weights[1] == pytest.approx(0, abs=1e-6)

    def test_the_logit_keeps_a_say(self) -> None:
        weights = part_weights([drawn(seed, [-3.0, 3.0], label=seed) for seed in range(4)])
        assert weights[0] == pytest.approx(LEAST / (1 + LEAST))  # of what had a sum of 1 without it

    def test_nothing_to_tell_by_is_all_alike(self) -> None:
        weights = part_weights([drawn(seed, [-3.0, -3.0, -3.0], label=seed) for seed in range(4)])
        np.testing.assert_allclose(weights, 1 / 3)

    def test_hardly_shrunk_it_is_logistic_regression(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("euinet.foresight.weights.SHRINK", 0.0)
        fold = drawn(0, [1.0, 0.5, 2.0], count=2000)
        inputs = np.concatenate([fold.known, fold.unknown])
        regression = LogisticRegression(C=np.inf, tol=1e-8).fit(inputs, np.repeat([0, 1], 2000))
        expected = regression.coef_[0] / regression.coef_[0].sum()
        np.testing.assert_allclose(part_weights([fold]), expected, atol=2e-3)

    def test_a_class_of_many_images_counts_as_one_of_few(self) -> None:
        few, many = drawn(1, [3.0, 0.0], count=50), drawn(2, [0.0, 3.0], count=5000, label=1)
        assert part_weights([few, many]) == pytest.approx([0.5, 0.5], abs=0.1)


class TestCatch:
    def test_shares_by_hand(self) -> None:
        scored = Scored(0, known=np.arange(100.0), unknown=np.array([10.0, 94.0, 97.0, 200.0]))
        # 95 % of 0 … 99 lie below 94.05
        assert scored.caught(0.05) == 0.5
        assert scored.caught(0.1) == 0.75
        assert scored.caught(0.001) == 0.25

    def test_auroc_is_scikit_learn_s_ties_too(self) -> None:
        draw = np.random.default_rng(0)
        known, unknown = draw.integers(0, 6, 80) * 1.0, draw.integers(2, 8, 50) * 1.0
        expected = roc_auc_score(np.repeat([0, 1], [80, 50]), np.concatenate([known, unknown]))
        assert Scored(0, known, unknown).auroc() == pytest.approx(expected)

    def test_a_class_has_no_say_in_the_weights_that_judge_it(self) -> None:
        """Where its second part alone tells, and the first one does for all others."""
        odd = drawn(9, [0.0, 2.0], label=3)
        others = [drawn(seed, [2.0, 0.0], label=seed) for seed in range(3)]
        found = {one.label: one for one in scored_folds([*others, odd])}
        weights = part_weights(others)
        np.testing.assert_array_equal(found[3].unknown, odd.unknown @ weights)
        own = part_weights([*others, odd])
        assert found[3].auroc() < Scored(3, odd.known @ own, odd.unknown @ own).auroc()


class TestFolds:
    def test_a_fold_knows_nothing_of_its_class(self) -> None:
        """Another class in its place makes no difference to what is said of known images."""
        preset = vector_preset(training__head_decay="1e-3")
        model, known = network(preset)
        assert isinstance(model.trunk, VectorTrunk)
        assert isinstance(model.memory, KnownDistances)
        moved = known.images.copy()
        moved[known.labels == 2] += 500
        options = {"penalty": 1e-2, "tail": 2.0, "seed": 0}
        first, second = (
            folds(LabelledImages(rows, known.labels), model.trunk.stem, model.memory, **options)  # type: ignore[arg-type]
            for rows in (known.images, moved)
        )
        assert [fold.label for fold in first] == [0, 1, 2, 3]
        np.testing.assert_allclose(first[2].known, second[2].known, atol=2e-2)
        assert np.abs(first[0].known - second[0].known).max() > 0.1

    def test_known_images_of_a_fold_are_none_that_it_learned_from(self) -> None:
        dataset = vector_dataset(each=50, names=NAMES)
        stem = Standardise(6)
        stem.measure(dataset.train.images)
        memory = KnownDistances(5, 10, 6, 3)
        found = folds(dataset.train, stem, memory, penalty=1e-2, tail=0.0, seed=1)
        assert len(found) == 5
        for fold in found:
            assert len(fold.unknown) == 50
            assert 0 < len(fold.known) < 0.35 * 200  # about a fifth of the four other classes
            assert fold.known.mean(axis=0) == pytest.approx(np.zeros(4), abs=1e-6)
            assert fold.known.std(axis=0, ddof=1) == pytest.approx(np.ones(4), abs=1e-6)

    @pytest.mark.parametrize("names", [NAMES[:2], NAMES[:3]])
    def test_two_classes_cannot_be_left_out_and_three_can(self, names: tuple[str, ...]) -> None:
        dataset = vector_dataset(each=20, names=names)
        stem = Standardise(6)
        stem.measure(dataset.train.images)
        memory = KnownDistances(len(names), 5, 6, 2)
        found = folds(dataset.train, stem, memory, penalty=1e-2, tail=0.0, seed=1)
        assert len(found) == (0 if len(names) == 2 else 3)

    def test_classes_of_a_few_rows_are_not_left_out(self) -> None:
        dataset = vector_dataset(each=20, names=NAMES)
        few = (dataset.train.labels == 4) & (np.cumsum(dataset.train.labels == 4) > 3)
        known = dataset.train.where(~few)
        stem = Standardise(6)
        stem.measure(known.images)
        found = folds(known, stem, KnownDistances(5, 5, 6, 2), penalty=1e-2, tail=0.0, seed=1)
        assert [fold.label for fold in found] == [0, 1, 2, 3]


class TestForesee:
    def test_the_memory_s_weights_are_those_of_the_folds(self) -> None:
        preset = vector_preset()
        model, known = network(preset)
        assert isinstance(model.trunk, VectorTrunk)
        assert isinstance(model.memory, KnownDistances)
        made = folds(
            known,
            model.trunk.stem,
            model.memory,
            penalty=preset.training.head_decay * 6,
            tail=preset.scoring.distance_tail,
            seed=0,
        )
        found = foresee(model, known, preset, seed=0)
        weights = part_weights(made)
        np.testing.assert_allclose(model.memory.weights.numpy(), weights[1:] / weights[0], rtol=1e-5)
        assert found is not None
        assert found.alphas == ALPHAS
        assert found.classes == (0, 1, 2, 3)
        assert all(list(row) == sorted(row) for row in found.caught)  # a larger α catches more
        assert found.auroc == tuple(round(one.auroc(), 4) for one in scored_folds(made))

    def test_it_says_the_same_whatever_was_drawn_before(self) -> None:
        preset = vector_preset()
        model, known = network(preset)
        first = foresee(model, known, preset, seed=0)
        torch.rand(7)
        assert foresee(model, known, preset, seed=0) == first

    @pytest.mark.parametrize(
        "settings",
        [{"model__memory_kind": "product"}, {"training__head_decay": "0"}, {"model__embedding": "4"}],
    )
    def test_other_models_have_no_estimate(self, settings: dict[str, str]) -> None:
        preset = vector_preset(**settings)
        model, known = network(preset)
        assert foresee(model, known, preset, seed=0) is None
