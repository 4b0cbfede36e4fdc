"""Does it detect? Photographs on a frozen backbone, a class held out in turn, and what the parts say alone.

    python benchmarks/worlds.py OUT.csv NAME=PLACE [NAME=PLACE …] [--seeds 3] [--backbone NAME] [--set …]

A world is a place of labelled images, as `euinet train` takes it, a table of embeddings, or "scikit-learn",
whose 1,797 digits of 8 × 8 are read as rows of 64 numbers. For each of its classes and each seed the
preset `embeddings` learns the other classes; the class itself, all of its images, is the near unknown. Far
are the test images of the other worlds (500 at most), and noise, blobs and stripes that are made here.
OUT.csv has a row for each class, seed and score (EuiNet's decision, and its parts: the best logit, the
memory's distances, h); what is there already is not computed again. `rejected` is the share of the class
above 95 % of the known test images; of EuiNet `caught` is what it really rejects at the promised α = 0.05,
`known_caught` what it rejects of known test images, and `expected` its own estimate. The table is printed.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from euinet.answers import FloatArray, PixelArray
from euinet.data.embedded.dataset import embed_dataset
from euinet.data.split.holdout import split_dataset
from euinet.data.tables.dataset import load_table
from euinet.data.tables.reading import is_table
from euinet.export.published import open_backbone
from euinet.fitting import fit_split
from euinet.model.backbone import OnnxEmbedder
from euinet.presets import get_preset
from euinet.records import Dataset, LabelledImages, joined
from euinet.scoring.inference import decide_from_scores, raw_scores
from euinet.training.devices import make_fabric

ALPHA = 0.05
MOST_FAR = 500  # images of another world
MADE = 200  # images of each kind
DISTANCES = ("neighbours", "projection", "relative Mahalanobis")  # of networks/memory.py: KnownDistances
FIELDS = (
    "world",
    "class",
    "seed",
    "score",
    "accuracy",
    "auroc",
    "rejected",
    "caught",
    "known_caught",
    "expected",
    "far_fpr95",
    "far_worst",
)


def made_images(side: int) -> dict[str, PixelArray]:
    """Return images (MADE, 3, side, side) of noise and simple textures."""
    draw = np.random.default_rng(0)
    shape = (MADE, 3, side, side)
    coarse = draw.integers(0, 256, (MADE, 3, 4, 4))
    across = np.linspace(0, 1, side)
    angles, waves, phases = draw.uniform(0, np.pi, MADE), draw.uniform(2, 20, MADE), draw.uniform(0, 7, MADE)
    turned = np.cos(angles)[:, None, None] * across + np.sin(angles)[:, None, None] * across[:, None]
    stripes = 127 + 120 * np.sin(2 * np.pi * waves[:, None, None] * turned + phases[:, None, None])
    return {
        "Gaussian noise": np.clip(draw.normal(127, 50, shape), 0, 255).astype(np.uint8),
        "uniform noise": draw.integers(0, 256, shape).astype(np.uint8),
        "blobs": coarse.repeat(side // 4, axis=2).repeat(side // 4, axis=3).astype(np.uint8),
        "stripes": np.repeat(stripes[:, None], 3, axis=1).astype(np.uint8),
    }


def measure(
    dataset: Dataset, held_out: int, seed: int, far: dict[str, Any], settings: dict[str, str]
) -> list[dict[str, Any]]:
    """Return a row for each score of a model that never saw one class."""
    names = dataset.class_names
    unknown = joined(*(part.where(part.labels == held_out) for part in (dataset.train, dataset.test)))
    preset = get_preset("embeddings", {"scoring.alpha": str(ALPHA)} | settings)
    split = split_dataset(dataset, [names[held_out]], preset.data, seed)
    with tempfile.TemporaryDirectory() as place:
        model = fit_split(split, preset, seed, Path(place), make_fabric("cpu"), quiet=True).model
    known = split.test.where(split.test.labels >= 0)

    def scores(rows: Any) -> dict[str, FloatArray]:
        raw = raw_scores(model.network, rows, preset.scoring)
        decision = decide_from_scores(raw, preset.scoring, model.card.logit_range)
        assert raw.distance is not None
        distances = raw.distance.T.numpy()
        names = DISTANCES if len(distances) == len(DISTANCES) else ("distance",)
        return {
            "EuiNet": decision.ood_score,
            "best logit": -raw.class_logits.amax(dim=1).numpy(),
            **dict(zip(names, distances, strict=True)),
            "h": raw.disc_logits.numpy(),
        }

    decided = model.decide(known.images)
    of_known, of_unknown = scores(known.images), scores(unknown.images)
    of_far = {name: scores(rows) for name, rows in far.items()}
    expected = model.card.expected
    found = []
    for name, own in of_known.items():
        strange = of_unknown[name]
        both = np.concatenate([own, strange])
        border = np.quantile(own, 0.95)
        fpr95 = {kind: float((one[name] <= border).mean()) for kind, one in of_far.items()}
        row = {
            "auroc": roc_auc_score(np.repeat([0, 1], [len(own), len(strange)]), both),
            "rejected": float((strange > border).mean()),
        }
        if fpr95:
            worst = max(fpr95, key=lambda kind: fpr95[kind])
            row |= {"far_fpr95": statistics.mean(fpr95.values()), "far_worst": f"{worst} {fpr95[worst]:.3f}"}
        if name == "EuiNet":
            rejected = model.decide(unknown.images).labels < 0
            row |= {
                "accuracy": float((decided.scores[:, 1:].argmax(axis=1) == known.labels).mean()),
                "caught": float(rejected.mean()),
                "known_caught": float((decided.labels < 0).mean()),
                "expected": expected.caught_at(ALPHA) if expected else "",
            }
        found.append({"class": names[held_out], "seed": seed, "score": name} | row)
    return found


def opened(place: str, embedder: OnnxEmbedder) -> Dataset:
    """Return a world's rows."""
    if place == "scikit-learn":
        rows, labels = load_digits(return_X_y=True)
        known = LabelledImages(rows.astype(np.float32), labels.astype(np.int64))
        test = np.random.default_rng(0).random(len(rows)) < 0.2
        return Dataset("digits", tuple("0123456789"), known.where(~test), known.where(test))
    if is_table(place):
        return load_table(place, notify=print)
    return embed_dataset(place, embedder, notify=print, progress=print)


def print_table(rows: list[dict[str, str]]) -> None:
    """Print each world's mean over classes, with the spread over seeds."""
    groups: dict[tuple[str, str], dict[str, list[dict[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        groups[row["world"], row["score"]][row["seed"]].append(row)
    for (world, score), seeds in groups.items():
        told = []
        for field in ("auroc", "rejected", "caught", "known_caught", "expected", "far_fpr95"):
            means = [
                statistics.mean(float(row[field]) for row in part if row[field])
                for part in seeds.values()
                if any(row[field] for row in part)
            ]
            if means:
                told.append(f"{field} {statistics.mean(means):.3f} ({min(means):.3f} … {max(means):.3f})")
        print(f"{world:10} {score:22} {'; '.join(told)}")


def main() -> None:
    """Measure what is not in the file yet, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("worlds", nargs="*", metavar="NAME=PLACE")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--backbone", default="efficientnet-lite0")
    parser.add_argument("--set", dest="settings", nargs="*", default=[], help="of the preset: NAME=VALUE")
    asked = parser.parse_args()
    settings = dict(one.split("=", 1) for one in asked.settings)
    rows = list(csv.DictReader(asked.out.open(encoding="utf-8"))) if asked.out.is_file() else []
    done = {(row["world"], row["class"], int(row["seed"])) for row in rows}
    backbone = open_backbone(asked.backbone, notify=print)
    embedder = OnnxEmbedder(backbone.content, backbone.preprocessing)
    made = {
        name: np.concatenate([embedder.embed(part) for part in np.array_split(images, 8)])
        for name, images in made_images(backbone.preprocessing.image_size).items()
    }
    worlds = {}
    for one in asked.worlds:
        name, _, place = one.partition("=")
        worlds[name] = opened(place, embedder)
    for seed in range(asked.seeds):
        for name, dataset in worlds.items():
            others = {
                other: np.asarray(found.test.images[np.arange(min(MOST_FAR, len(found.test)))], np.float32)
                for other, found in worlds.items()
                if other != name
            } | made
            width = dataset.train.images.shape[1]
            far = {called: rows for called, rows in others.items() if rows.shape[1] == width}
            for held_out, called in enumerate(dataset.class_names):
                if (name, called, seed) in done:
                    continue
                measured = measure(dataset, held_out, seed, far, settings)
                fresh = [{"world": name} | row for row in measured]
                with asked.out.open("a", encoding="utf-8", newline="") as file:
                    writer = csv.DictWriter(file, FIELDS, restval="", lineterminator="\n")
                    if file.tell() == 0:
                        writer.writeheader()
                    writer.writerows(
                        {key: round(v, 4) if isinstance(v, float) else v for key, v in row.items()}
                        for row in fresh
                    )
                first = fresh[0]
                print(
                    f"{name}, {called}, seed {seed}: AUROC {first['auroc']:.3f}, rejected "
                    f"{first['rejected']:.3f}, expected {first['expected'] or '–'}",
                    flush=True,
                )
    print_table(list(csv.DictReader(asked.out.open(encoding="utf-8"))))


if __name__ == "__main__":
    main()
