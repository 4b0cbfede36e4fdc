"""What the parts of the decision say arrives in it: on drawn rows, each class held out in turn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from euinet.data.split.holdout import split_dataset
from euinet.fitting import fit_split
from euinet.records import Dataset, LabelledImages
from euinet.scoring.inference import decide_from_scores, raw_scores
from euinet.training.devices import make_fabric
from vectors import vector_preset

CLASSES, WIDTH, EACH = 5, 24, 90
PARTS = ("best logit", "neighbours", "projection", "relative", "h")


def world() -> Dataset:
    """Classes that overlap, each with a shape of its own, in fewer dimensions than there are numbers."""
    draw = np.random.default_rng(4)
    basis = draw.normal(size=(8, WIDTH))

    def rows(count: int) -> LabelledImages:
        labels = np.repeat(np.arange(CLASSES), count)
        inside = middles[labels] + draw.normal(size=(len(labels), 8)) * shapes[labels]
        return LabelledImages(
            (inside @ basis + 0.3 * draw.normal(size=(len(labels), WIDTH)) + 20).astype(np.float32), labels
        )

    middles, shapes = 2.2 * draw.normal(size=(CLASSES, 8)), draw.uniform(0.5, 1.5, (CLASSES, 8))
    return Dataset("shapes", tuple("abcde"), rows(EACH), rows(30))


@pytest.fixture(scope="module")
def aurocs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """Of the decision and of each part, (CLASSES,): known test rows beside a class held out, or noise."""
    dataset, found = world(), {name: [] for name in ("decision", "noise", *PARTS)}  # type: ignore[var-annotated]
    preset = vector_preset(
        training__min_steps="80",
        training__batch_size="64",
        disc__reals="32",
        model__disc_hidden="32",
        model__memory_per_class="60",
    )
    noise = np.random.default_rng(5).normal(20, 12, (200, WIDTH)).astype(np.float32)
    for name in dataset.class_names:
        split = split_dataset(dataset, [name], preset.data, 0)
        folder: Path = tmp_path_factory.mktemp("signal")
        model = fit_split(split, preset, 0, folder, make_fabric("cpu"), quiet=True).model
        strange = split.test.labels < 0

        def scores(rows: np.ndarray, of: object = model) -> list[np.ndarray]:
            raw = raw_scores(model.network, rows, preset.scoring)  # noqa: B023
            decision = decide_from_scores(raw, preset.scoring, model.card.logit_range)  # noqa: B023
            assert raw.distance is not None
            parts = [-raw.class_logits.amax(dim=1), *raw.distance.T, raw.disc_logits]
            return [decision.ood_score, *(part.numpy() for part in parts)]

        rows = np.asarray(split.test.images)
        both = scores(rows)
        for kind, score in zip(("decision", *PARTS), both, strict=True):
            found[kind].append(roc_auc_score(strange, score))
        far = np.concatenate([both[0][~strange], scores(noise)[0]])
        found["noise"].append(roc_auc_score(np.arange(len(far)) >= (~strange).sum(), far))
    return {name: np.array(values) for name, values in found.items()}


def test_each_part_tells_something(aurocs: dict[str, np.ndarray]) -> None:
    means = {name: values.mean() for name, values in aurocs.items()}
    assert means["best logit"] > 0.6
    assert means["neighbours"] > 0.95
    assert means["projection"] > 0.65
    assert means["relative"] > 0.95
    assert means["h"] > 0.6


def test_the_decision_is_hardly_worse_than_the_best_of_them(aurocs: dict[str, np.ndarray]) -> None:
    best = max(aurocs[name].mean() for name in PARTS)
    assert aurocs["decision"].mean() > best - 0.01
    assert aurocs["decision"].min() > max(aurocs[name].min() for name in PARTS) - 0.05


def test_noise_is_far_whatever_the_logits_say(aurocs: dict[str, np.ndarray]) -> None:
    assert aurocs["noise"].min() > 0.99
