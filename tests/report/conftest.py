"""A made-up evaluation that looks like the report's: MNIST-sized images, scores in the report's range."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from euinet.answers import PixelArray
from euinet.records import Decision, DetectorResult, EvaluationRecord, unknown_label


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def decide(class_scores: np.ndarray, disc_score: np.ndarray) -> Decision:
    """Eq. 4 with the report's α and γ."""
    scores = np.column_stack([0.004 * disc_score + 0.008, class_scores])
    return Decision(
        labels=scores.argmax(axis=1).astype(np.int64) - 1,
        ood_score=(scores[:, 0] - class_scores.max(axis=1)).astype(np.float32),
        scores=scores.astype(np.float32),
        probabilities=softmax(scores).astype(np.float32),
        disc_score=disc_score.astype(np.float32),
        threshold=np.zeros(len(disc_score), np.float32),
    )


def strokes(rng: np.random.Generator, count: int) -> PixelArray:
    """Bent lines of three pixels' width, 28 × 28."""
    rows, columns = np.mgrid[:28, :28]
    images = np.zeros((count, 1, 28, 28), dtype=np.uint8)
    for image in images:
        start, bend, end = rng.uniform(5, 22, (3, 2))
        for share in np.linspace(0, 1, 20):
            at = (1 - share) ** 2 * start + 2 * share * (1 - share) * bend + share**2 * end
            image[0][(rows - at[0]) ** 2 + (columns - at[1]) ** 2 < 2.5] = 255
    return images


def made_up_record(held_out: int, count: int = 2000, seed: int = 0) -> EvaluationRecord:
    rng = np.random.default_rng(seed)
    known_classes = tuple(number for number in range(10) if number != held_out)
    classes = rng.integers(0, 10, count)
    labels = np.array([unknown_label(c) if c == held_out else known_classes.index(c) for c in classes])
    known = labels >= 0
    wins = np.where(known, rng.normal(0.025, 0.004, count), rng.normal(0.010, 0.0015, count))
    class_scores = rng.normal(0.0, 0.003, (count, 9)).clip(max=0.008)
    winners = np.where(rng.random(count) < 0.004, rng.integers(0, 9, count), labels % 9)
    class_scores[np.arange(count), winners] = wins
    disc_score = 1 / (1 + np.exp(-np.where(known, rng.normal(-8, 2.5, count), rng.normal(7, 3, count))))
    decision = decide(class_scores, disc_score)
    odin = 1 / 9 + np.where(known, rng.gamma(9, 1e-4, count), rng.gamma(4, 1e-4, count))
    detectors = (
        detector("EuiNet", decision.ood_score, 0.0, known),
        detector("model discriminator", decision.disc_score, 0.5, known),
        detector("vanilla ODIN", -odin, -float(np.quantile(odin[known], 0.05)), known),
        detector("maximum softmax probability", -class_scores.max(axis=1), -0.018, known),
    )
    n_ood = int((~known).sum())
    return EvaluationRecord(
        dataset="mnist",
        class_names=tuple(str(number) for number in known_classes),
        known_classes=known_classes,
        unknown_classes=(held_out,),
        unknown_names=(str(held_out),),
        images=np.tile(strokes(rng, 200), (count // 200, 1, 1, 1)),
        labels=labels.astype(np.int64),
        decision=decision,
        detectors=detectors,
        fakes=(strokes(rng, 64) / 127.5 - 1).astype(np.float32),
        metrics={
            "preset": "report", "seed": 3, "n_id": count - n_ood, "n_ood": n_ood, "auroc": 0.9934,
            "fpr95": 0.021, "closed_set_accuracy": 0.9961, "train_seconds": 812.4, "device": "cpu",
            "versions": {"python": "3.11.7", "torch": "2.15.0"},
            "far": {"fashion-mnist": {"auroc": 0.981, "fpr95": 0.06}},
        },
        history=tuple(
            {
                "step": float(step), "epoch": float(step // 40),
                "class_loss": 2.2 * np.exp(-step / 30) + 0.01 + 0.02 * rng.random(),
                "disc_real_loss": 0.7 * np.exp(-step / 40) + 0.01 * rng.random(),
                "disc_fake_loss": 0.7 * np.exp(-step / 60) + 0.01 * rng.random(),
                "gan_disc_loss": 1.2 + 0.2 * rng.random(),
                "gan_gen_loss": 0.8 + 0.3 * rng.random(),
            }
            for step in range(0, 400, 2)
        ),
        settings={
            "name": "report",
            "training": {"epochs": 20, "optimizer": {"learning_rate": 2e-4, "beta1": 0.5, "beta2": 0.599}},
            "scoring": {"temperature": 1e-3, "disc_scale": 0.004, "disc_shift": 0.008, "epsilon": 0.3},
        },
    )  # fmt: skip


def detector(name: str, ood_score: np.ndarray, threshold: float, known: np.ndarray) -> DetectorResult:
    unknown_above = float((ood_score[~known] > threshold).mean()) if (~known).any() else float("nan")
    return DetectorResult(
        name=name,
        description="a made-up score; threshold from known validation images",
        ood_score=ood_score.astype(np.float32),
        threshold=threshold,
        auroc=float(roc_auc_score(~known, ood_score)),
        fpr95=0.03,
        id_accuracy=float((ood_score[known] <= threshold).mean()),
        ood_accuracy=unknown_above,
    )


@pytest.fixture(scope="session")
def record() -> EvaluationRecord:
    """MNIST with digit 0 held out, as in the report."""
    return made_up_record(held_out=0)


@pytest.fixture(scope="session")
def other_record() -> EvaluationRecord:
    """The same with digit 4 held out: the report says nothing about it."""
    return made_up_record(held_out=4, count=400)


@pytest.fixture
def six_images(other_record: EvaluationRecord) -> EvaluationRecord:
    """Six images of "a" (1), "b" (2) and held-out "z" (0), small enough to judge by hand.

    | image | truth | h    | class scores  | h_a    | answer |
    | 0     | a     | 0.00 | 0.020, 0.001  | 0.0080 | a      |
    | 1     | a     | 0.50 | 0.009, 0.002  | 0.0100 | reject |
    | 2     | b     | 0.25 | 0.003, 0.030  | 0.0090 | b      |
    | 3     | b     | 0.00 | 0.025, 0.004  | 0.0080 | a      |
    | 4     | z     | 1.00 | 0.005, 0.006  | 0.0120 | reject |
    | 5     | z     | 0.75 | 0.001, 0.018  | 0.0110 | b      |
    """
    class_scores = np.array(
        [[0.020, 0.001], [0.009, 0.002], [0.003, 0.030], [0.025, 0.004], [0.005, 0.006], [0.001, 0.018]]
    )
    decision = decide(class_scores, np.array([0.0, 0.5, 0.25, 0.0, 1.0, 0.75]))
    labels = np.array([0, 0, 1, 1, -1, -1], dtype=np.int64)
    return dataclasses.replace(
        other_record,
        dataset="letters",
        class_names=("a", "b"),
        known_classes=(1, 2),
        unknown_classes=(0,),
        unknown_names=("z",),
        images=other_record.images[:6],
        labels=labels,
        decision=decision,
        detectors=(detector("EuiNet", decision.ood_score, 0.0, labels >= 0),),
    )


HOSTILE = "<script>alert('x')</script>"


@pytest.fixture(scope="session")
def hostile_record() -> EvaluationRecord:
    """Twelve known and two unknown classes of colour images under names meant to break the page."""
    rng = np.random.default_rng(1)
    names = (
        HOSTILE,
        "$x^{2",
        "名前",
        "a/../../b",
        "two\nlines",
        "W" * 60,
        "",
        "{{ 7*7 }}",
        "ok",
        "ok",
        "x",
        "é",
    )
    labels = np.concatenate([np.repeat(np.arange(12), 6), np.full(9, -6)])  # class −14 has no images
    class_scores = rng.normal(0.0, 0.003, (len(labels), 12))
    class_scores[np.arange(len(labels)), labels % 12] += 0.012
    decision = decide(class_scores, rng.uniform(size=len(labels)))
    return EvaluationRecord(
        dataset="mine & <b>yours</b>",
        class_names=names,
        known_classes=(0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12),
        unknown_classes=(5, 13),
        unknown_names=("$unknown$", "absent"),
        images=rng.integers(0, 256, (len(labels), 3, 16, 16), dtype=np.uint8),
        labels=labels,
        decision=decision,
        detectors=(detector("EuiNet <i>", decision.ood_score, 0.0, labels >= 0),),
        fakes=rng.uniform(-1, 1, (5, 3, 16, 16)).astype(np.float32),
        metrics={"preset": "default", "seed": 0, "auroc": float("nan"), "far": {}},
        history=(),
        settings={"name": "default"},
    )
