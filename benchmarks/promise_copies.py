"""Is the promise kept where images are stored several times? Copies planted in small training data.

    python benchmarks/promise_copies.py                # 56 trainings: half an hour on one core

500 MNIST images are known, and 10, 50 and 200 copies for each hundred of them are planted among them, with
their class and under positions of their own. A model is trained, calibrated for alpha = 0.05, and judged on
5,000 other images of the same writers, so that all are exchangeable and the mean share rejected must be at
most alpha but for chance. Beside it the same with images parted by their position, as if a copy were another
image. Trainings are shortened to STEPS steps. Results are kept in runs/promise-copies as they come. Writes
docs/results/promise-copies.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from euinet.data.sets.datasets import load_dataset
from euinet.data.split.holdout import split_dataset
from euinet.data.split.stratify import stratified_choice, stratified_positions
from euinet.fitting import calibrated_model
from euinet.model.conformal import Calibration
from euinet.presets import Preset, get_preset
from euinet.records import Dataset, LabelledImages, Split, SplitPositions
from euinet.system.files import write_text
from euinet.training.devices import make_fabric
from euinet.training.loop import train

ALPHA, KNOWN, FRESH, STEPS = 0.05, 500, 5000, 100
COPIES = (0, 10, 50, 200)  # for each hundred images
NORMAL_975 = 1.96


def planted(dataset: Dataset, copies: int, seed: int) -> tuple[Dataset, LabelledImages]:
    """Return KNOWN images with so many copies in a hundred, in random order, and FRESH others."""
    chosen = stratified_choice(dataset.train.labels, KNOWN + FRESH, seed)
    known = stratified_choice(dataset.train.labels[chosen], KNOWN, seed)
    fresh = dataset.train.where(np.delete(chosen, known))
    generator = np.random.default_rng(seed)
    own = chosen[known]
    whole, rest = divmod(copies * KNOWN // 100, KNOWN)
    again = np.concatenate([*[own] * (1 + whole), generator.permutation(own)[:rest]])
    train_part = dataset.train.where(generator.permutation(again))
    return replace(dataset, train=train_part, test=train_part.where(np.empty(0, np.int64))), fresh


def by_position(dataset: Dataset, preset: Preset, seed: int) -> Split:
    """Return a split that takes a copy for another image."""
    settings = preset.data.for_images(len(dataset.train))
    classes = tuple(range(len(dataset.class_names)))
    fractions = (settings.calibration_fraction, settings.validation_fraction)
    names, labels = dataset.class_names, dataset.train.labels
    training, calibration, validation = stratified_positions(labels, classes, names, fractions, seed)
    return Split(
        dataset=dataset.name,
        class_names=names,
        known_classes=classes,
        unknown_classes=(),
        unknown_names=(),
        train=dataset.train.where(training),
        validation=dataset.train.where(validation),
        calibration=dataset.train.where(calibration),
        test=dataset.test,
        positions=SplitPositions(training, validation, calibration, np.empty(0, np.int64)),
    )


def by_pixels(dataset: Dataset, preset: Preset, seed: int) -> Split:
    """Return the split as everybody gets it."""
    return split_dataset(dataset, [], preset.data, seed)


WAYS: dict[str, Callable[[Dataset, Preset, int], Split]] = {"pixels": by_pixels, "position": by_position}


def measured(split: Split, fresh: LabelledImages, preset: Preset, seed: int) -> dict[str, float]:
    """Train, calibrate, and return the share of fresh known images rejected."""
    with tempfile.TemporaryDirectory() as folder:
        trained = train(split, preset, seed, Path(folder), make_fabric("cpu", "32-true"), quiet=True)
    # without a promise: images that were trained on are refused, and here they are the point
    model = calibrated_model(trained.model, replace(split, calibration=fresh), preset, seed, None)
    known, new = model.decide(split.calibration.images), model.decide(fresh.images)
    threshold = Calibration(known.ood_score, known.classifier_labels, ALPHA).thresholds(1)[0]
    rejected = float((new.ood_score > threshold).mean())
    return {"calibration_images": len(split.calibration), "rejected": rejected}


def run(seeds: int, runs: Path, data_root: Path | None) -> Iterator[dict[str, object]]:
    """Yield a row for each way, number of copies and seed; what is done in `runs` is not done again."""
    dataset = load_dataset("mnist", data_root)
    preset = get_preset("default", {"training.min_steps": str(STEPS), "training.epochs": "1"})
    for seed in range(seeds):
        for copies in COPIES:
            for way, parted in WAYS.items():
                if way == "position" and not copies:
                    continue
                path = runs / f"{way}-{copies}-{seed}.json"
                if not path.is_file():
                    small, fresh = planted(dataset, copies, seed)
                    split = parted(small, preset, seed)
                    row = {"way": way, "copies": copies, "seed": seed, **measured(split, fresh, preset, seed)}
                    write_text(path, json.dumps(row) + "\n")
                    print(json.dumps(row), flush=True)
                yield json.loads(path.read_text())


def report(rows: list[dict[str, object]], seeds: int) -> str:
    """Return the page."""
    lines = []
    for copies in COPIES:
        cells = []
        for way in WAYS:
            shares = np.array(
                [row["rejected"] for row in rows if (row["way"], row["copies"]) == (way, copies)], float
            )
            if not len(shares):
                cells.append("–")
                continue
            error = NORMAL_975 * shares.std(ddof=1) / np.sqrt(len(shares))
            cells.append(f"{shares.mean():.4f} ± {error:.4f}")
        lines.append(f"| {copies} % | {' | '.join(cells)} |")
    return "\n".join(
        [
            "# Is the promise kept with copies?",
            "",
            f"By `python benchmarks/promise_copies.py --seeds {seeds}`: {KNOWN} known images of MNIST, "
            f"copies of them planted under other positions, alpha = {ALPHA}; {FRESH:,} other images of the "
            f"same writers judged, {seeds} seeds (other images, split and training each), {STEPS} steps of "
            "training. The share of known images rejected, mean over the seeds ± 1.96 standard errors.",
            "",
            "| copies planted | parted by pixels | parted by position, as if a copy were another image |",
            "| ---: | --- | --- |",
            *lines,
            "",
            "Promised is at most 0.05. A calibration image whose copy was trained on looks more known than "
            "any that will come: the threshold comes out too low.",
            "",
        ]
    )


def main() -> None:
    """Read the arguments, measure, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--runs", type=Path, default=Path("runs/promise-copies"))
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/results/promise-copies.md"))
    arguments = parser.parse_args()
    text = report(list(run(arguments.seeds, arguments.runs, arguments.data_root)), arguments.seeds)
    write_text(arguments.out, text)
    print(text)


if __name__ == "__main__":
    main()
