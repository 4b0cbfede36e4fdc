"""What EuiNet costs behind somebody's network: beside the network's own pass, and to learn on its features.

    python benchmarks/embeddings.py attached CLASSIFIER.onnx FOLDER [--rounds 15]
    python benchmarks/embeddings.py heads [--images 50000] [--width 1280] [--classes 10]
    python benchmarks/embeddings.py choose DATA [--backbone efficientnet-lite0] [--folds 5] [--try SETTINGS …]
    python benchmarks/embeddings.py narrow [--seeds 3]

`attached`: a classifier's file is attached on a folder of known images. Then its graph alone and the whole
decision answer the same images in turn, round after round, in one process and with one thread: one image,
and 32. A ratio is taken within a round; printed are its median and its quartiles.

`heads`: features are drawn (each class around a middle of its own), and the heads learned and calibrated
from them by the preset embeddings, as `euinet train` does once the features are there; with one thread.

`choose`: what settings of the preset do to the accuracy on known images, by cross-validation among the
training and validation images of DATA, a folder or a table: no test image and no unknown one is looked at.
Each --try is settings with commas between them, such as training.min_steps=600,training.batch_size=128.

`narrow`: tables of few numbers a row, scikit-learn's own; the accuracy on three tenths of each, drawn anew
for each seed, beside logistic regression's.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import sklearn.datasets
from sklearn.linear_model import LogisticRegression

from euinet.attached.attach import attach
from euinet.data.embedded.dataset import embed_dataset
from euinet.data.split.holdout import split_dataset
from euinet.data.tables.dataset import load_table
from euinet.export.published import open_backbone
from euinet.fitting import fit_split, with_filled_memory
from euinet.model.backbone import OnnxEmbedder
from euinet.model.decision_file import ANSWERS, EMBEDDING, IMAGES
from euinet.presets import Preset, get_preset
from euinet.records import Dataset, LabelledImages
from euinet.scoring.inference import raw_scores
from euinet.training.devices import make_fabric, one_thread
from euinet.training.loop import train

BATCHES = (1, 32)
_FEW_HELD_BACK = {  # of what is learned from: nothing is calibrated here
    "data.validation_fraction": "0.02",
    "data.calibration_fraction": "0.02",
    "data.fewest_validation": "1",
    "data.fewest_calibration": "1",
}


def attached(asked: argparse.Namespace) -> None:
    """Print the ratio of the whole decision's time to the classifier's own, for each batch."""
    model = attach(asked.classifier, asked.folder, notify=print)
    backbone = model.backbone
    assert backbone is not None
    with tempfile.TemporaryDirectory() as place:
        model.save_decision(Path(place) / "decision.onnx")
        whole = _session((Path(place) / "decision.onnx").read_bytes())
    alone = _session(backbone.content)
    for batch in BATCHES:
        images = np.random.default_rng(0).integers(0, 256, (batch, *model.card.input_shape), np.uint8)
        own: Callable[[], object] = lambda: alone.run([EMBEDDING], {IMAGES: images})  # noqa: B023, E731
        all_: Callable[[], object] = lambda: whole.run(list(ANSWERS), {IMAGES: images})  # noqa: B023, E731
        repeats = max(3, round(0.2 / max(_seconds(own, 3), 1e-6)))
        ratios, times = [], []
        for _ in range(asked.rounds):
            first, second = _seconds(own, repeats), _seconds(all_, repeats)
            ratios.append(second / first)
            times.append((first * 1000, second * 1000))
        low, middle, high = statistics.quantiles(ratios, n=4)
        alone_ms, whole_ms = (statistics.median(column) for column in zip(*times, strict=True))
        print(
            f"{batch} image{'s' if batch > 1 else ''}: {alone_ms:.3f} ms alone, {whole_ms:.3f} ms with "
            f"EuiNet, ratio {middle:.3f} ({low:.3f} … {high:.3f})"
        )


def heads(asked: argparse.Namespace) -> None:
    """Print how long it takes to learn and calibrate heads on features that are there."""
    draw = np.random.default_rng(0)
    middles = draw.normal(size=(asked.classes, asked.width)).astype(np.float32)
    labels = np.arange(asked.images) % asked.classes
    rows = (middles[labels] + 4 * draw.normal(size=(asked.images, asked.width))).astype(np.float16)
    known = LabelledImages(rows, labels)
    names = tuple(f"class {number}" for number in range(asked.classes))
    dataset = Dataset("drawn", names, known, known.where(np.empty(0, np.int64)))
    preset = get_preset("embeddings")
    started = time.monotonic()
    split = split_dataset(dataset, [], preset.data, 0)
    parted = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        fit_split(split, preset, 0, Path(place), make_fabric("cpu"), quiet=True)
    done = time.monotonic()
    print(
        f"{asked.images:,} × {asked.width:,}: {done - started:.1f} s, of which {parted - started:.1f} s to "
        "part them by their digests"
    )


def choose(asked: argparse.Namespace) -> None:
    """Print the accuracy on held-back folds for each --try, with its standard error over folds."""
    if asked.backbone:
        backbone = open_backbone(asked.backbone, notify=print)
        embedder = OnnxEmbedder(backbone.content, backbone.preprocessing)
        dataset = embed_dataset(asked.data, embedder, notify=print, progress=print)
    else:
        dataset = load_table(asked.data, notify=print)
    known = dataset.train
    fold = np.random.default_rng(0).integers(0, asked.folds, len(known))
    for tried in ["", *asked.tries]:
        changed = dict(part.split("=", 1) for part in tried.split(",") if part)
        preset = get_preset("embeddings", _FEW_HELD_BACK | changed)
        shares = []
        for number in range(asked.folds):
            learned, held = known.where(fold != number), known.where(fold == number)
            shares.append(_accuracy(Dataset("folds", dataset.class_names, learned, held), preset, 0))
        error = statistics.stdev(shares) / asked.folds**0.5
        print(f"{statistics.mean(shares):.4f} ± {error:.4f}  {tried or 'as the preset has them'}", flush=True)


def narrow(asked: argparse.Namespace) -> None:
    """Print the accuracies on small tables, and their spread over seeds."""
    for name in ("iris", "wine", "breast_cancer", "digits"):
        rows, labels = getattr(sklearn.datasets, f"load_{name}")(return_X_y=True)
        rows = (rows - rows.mean(axis=0)) / rows.std(axis=0).clip(min=1e-6)
        classes = tuple(f"class {number}" for number in range(labels.max() + 1))
        known = LabelledImages(rows.astype(np.float32), labels.astype(np.int64))
        shares: dict[str, list[float]] = {"EuiNet": [], "logistic regression": []}
        for seed in range(asked.seeds):
            order = np.random.default_rng(seed).permutation(len(labels))
            held, learned = np.split(order, [round(0.3 * len(order))])
            dataset = Dataset(name, classes, known.where(learned), known.where(held))
            shares["EuiNet"].append(_accuracy(dataset, get_preset("embeddings", _FEW_HELD_BACK), seed))
            regression = LogisticRegression(max_iter=5000).fit(rows[learned], labels[learned])
            shares["logistic regression"].append(regression.score(rows[held], labels[held]))
        told = "; ".join(
            f"{who} {statistics.mean(found):.3f} ({min(found):.3f} … {max(found):.3f})"
            for who, found in shares.items()
        )
        print(f"{name}, {len(labels)} rows of {rows.shape[1]}: {told}", flush=True)


def _accuracy(dataset: Dataset, preset: Preset, seed: int) -> float:
    """Return the share of test rows that heads learned on the training rows get right."""
    parts = split_dataset(dataset, [], preset.data, seed)
    with tempfile.TemporaryDirectory() as place, one_thread():
        trained = train(
            parts, with_filled_memory(preset, parts), seed, Path(place), make_fabric("cpu"), quiet=True
        )
    logits = raw_scores(trained.model, parts.test.images, preset.scoring).class_logits
    return float((logits.argmax(dim=1).numpy() == parts.test.labels).mean())


def _session(content: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _seconds(work: Callable[[], object], repeats: int) -> float:
    work()
    started = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - started) / repeats


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = parser.add_subparsers(required=True)
    one = parts.add_parser("attached")
    one.add_argument("classifier", type=Path)
    one.add_argument("folder", type=Path)
    one.add_argument("--rounds", type=int, default=15)
    one.set_defaults(work=attached)
    other = parts.add_parser("heads")
    other.add_argument("--images", type=int, default=50_000)
    other.add_argument("--width", type=int, default=1280)
    other.add_argument("--classes", type=int, default=10)
    other.set_defaults(work=heads)
    third = parts.add_parser("choose")
    third.add_argument("data")
    third.add_argument("--backbone", default="")
    third.add_argument("--folds", type=int, default=5)
    third.add_argument("--try", dest="tries", nargs="*", default=[], metavar="SETTINGS")
    third.set_defaults(work=choose)
    fourth = parts.add_parser("narrow")
    fourth.add_argument("--seeds", type=int, default=3)
    fourth.set_defaults(work=narrow)
    asked = parser.parse_args()
    asked.work(asked)


if __name__ == "__main__":
    main()
