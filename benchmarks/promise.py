"""Is the promised share of false alarms kept? Conformal calibration on real images, over and over.

    python benchmarks/promise.py                       # the bundled models, MNIST: a minute or two
    python benchmarks/promise.py --models mnist-without-4 --splits 1000

First question: over many random divisions of the known test images into calibration and test halves, how many
test images are rejected, for each alpha? They are exchangeable by construction, so the mean must be at most
alpha but for chance. Second: what do the models as they come, calibrated with images held back from MNIST's
training part, reject of its test part? Other people wrote those, so that nothing is promised. Writes
docs/results/promise.md.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from euinet.data.sets.datasets import load_dataset
from euinet.data.split.holdout import split_dataset
from euinet.model.bundled import pretrained_names
from euinet.model.conformal import Calibration, fewest_images
from euinet.model.model import Model
from euinet.model.opening import load
from euinet.system.files import write_text

ALPHAS = (0.001, 0.01, 0.05, 0.1)
PER_CLASS_ALPHAS = (0.01, 0.05, 0.1)  # 0.001 would need 999 images of each answer
NORMAL_975 = 1.96


@dataclass(frozen=True)
class Known:
    """A model's scores of the known test images."""

    model: Model
    scores: np.ndarray  # (N,)
    answers: np.ndarray  # (N,)


def known_scores(name: str, data_root: Path | None) -> Known:
    """Return the scores of the known test images of the data that the model was trained on."""
    model = load(name)
    dataset = load_dataset(model.card.data, data_root)
    unknown = [one for one in dataset.class_names if one not in model.card.class_names]
    test = split_dataset(dataset, unknown, model.card.preset.data, model.card.seed).test
    decision = model.decide(test.images[test.labels >= 0])
    return Known(model, decision.ood_score, decision.classifier_labels)


def rejected_share(known: Known, alpha: float, per_class: bool, calibration: np.ndarray) -> float:
    """Return the share of the images not at `calibration` (n,) positions that are rejected."""
    rest = np.setdiff1d(np.arange(len(known.scores)), calibration)
    fitted = Calibration(known.scores[calibration], known.answers[calibration], alpha, per_class)
    thresholds = fitted.thresholds(len(known.model.card.class_names))
    return float((known.scores[rest] > thresholds[known.answers[rest]]).mean())


def split_rows(known: dict[str, Known], splits: int, seed: int, per_class: bool) -> list[str]:
    """Return a line a value of alpha: over models × splits, what was rejected."""
    lines = []
    for alpha in PER_CLASS_ALPHAS if per_class else ALPHAS:
        generator = np.random.default_rng(seed)
        shares = np.array(
            [
                [
                    rejected_share(one, alpha, per_class, generator.permutation(n)[: n // 2])
                    for _ in range(splits)
                ]
                for one in known.values()
                for n in [len(one.scores)]
            ]
        )
        images = min(len(one.scores) for one in known.values())
        chance = NORMAL_975 * np.sqrt(alpha * (1 - alpha) / images)
        means = shares.mean(axis=1)
        kept = f"{int((means <= alpha + chance).sum())} of {len(means)}"
        lines.append(
            f"| {alpha} | {shares.mean():.5f} | {means.min():.5f} … {means.max():.5f} | {shares.std():.5f} | "
            f"{alpha + chance:.5f} | {kept} |"
        )
    return lines


def shipped_row(name: str, known: Known) -> str:
    """Return a line: what the model with its own calibration images rejects of the known test images."""
    calibration = known.model.calibration
    if calibration is None:
        return f"| {name} | none | | | | |"
    cells = []
    for alpha in ALPHAS:
        if len(calibration) < fewest_images(alpha):
            cells.append("–")
            continue
        fitted = Calibration(calibration.scores, calibration.answers, alpha)
        cells.append(f"{float((known.scores > fitted.thresholds(1)[0]).mean()):.4f}")
    return f"| {name} | {len(calibration):,} | {' | '.join(cells)} |"


def report(known: dict[str, Known], splits: int, seed: int) -> str:
    """Return the whole page."""
    columns = [
        *("alpha", "rejected, mean", "mean of each model", "deviation of a split"),
        *("at most, by chance", "models that keep it"),
    ]
    head = f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}"
    together, apart = (split_rows(known, splits, seed, per_class) for per_class in (False, True))
    shipped = [shipped_row(name, one) for name, one in known.items()]
    return "\n".join(
        [
            "# Is the promise kept?",
            "",
            f"By `python benchmarks/promise.py --splits {splits}`, seed {seed}: {len(known)} bundled models, "
            f"{splits} random divisions of their known test images into two halves.",
            "",
            "## One threshold",
            "",
            head,
            *together,
            "",
            "“At most, by chance” is alpha plus 1.96 binomial deviations for as many images as there are.",
            "",
            "## A threshold for each answer",
            "",
            head,
            *apart,
            "",
            "## The models as they come",
            "",
            "Calibrated with images held back from MNIST's training part; the share of known *test* images "
            "rejected. Other people wrote those, so they are not exchangeable with the calibration "
            "images, and the promise does not cover them; where the share lies above alpha, that is why.",
            "",
            f"| model | calibration images | {' | '.join(f'alpha {alpha}' for alpha in ALPHAS)} |",
            "| --- | --- | --- | --- | --- | --- |",
            *shipped,
            "",
        ]
    )


def main() -> None:
    """Read the arguments, measure, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="*", default=list(pretrained_names()))
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/results/promise.md"))
    arguments = parser.parse_args()
    known = {}
    for name in arguments.models:
        print(f"{name}: scoring the known test images …", flush=True)
        known[name] = known_scores(name, arguments.data_root)
    text = report(known, arguments.splits, arguments.seed)
    write_text(arguments.out, text)
    print(text)


if __name__ == "__main__":
    main()
