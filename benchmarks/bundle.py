"""The models that come with the package: made anew, or taken from a benchmark that has made them.

    python benchmarks/bundle.py                              # trains all twelve: about an hour on 2 cores
    python benchmarks/bundle.py --benchmark runs/benchmark   # takes the cells of seed 0, trains the rest
    python benchmarks/bundle.py --records                    # the test records of those there are: 2 minutes
    python benchmarks/bundle.py --metrics                    # what their cards say of MNIST: 2 minutes
    python benchmarks/bundle.py --digests                    # the digests of their training images: seconds

Each model is judged on MNIST's test images and Fashion-MNIST as it will be read from the package, and its
config.json gets these metrics and the command that makes it. Its answers are kept beside it, in
record.safetensors.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from euinet.data.sets.datasets import load_dataset
from euinet.data.split.fingerprint import dataset_fingerprint
from euinet.data.split.holdout import split_dataset
from euinet.export.save import save_model
from euinet.judging.record_store import RECORD_FILE
from euinet.judging.saved import evaluate_saved
from euinet.model.bundled import bundled_folder
from euinet.model.copying import copy_network
from euinet.model.decision_file import with_calibration
from euinet.model.names import DECISION_FILE
from euinet.model.opening import load
from euinet.model.seen import SeenImages, save_seen
from euinet.system.files import write_bytes

RUNS = Path("runs/bundle")
DATA, FAR = "mnist", ("fashion-mnist",)


def commands() -> dict[str, list[str]]:
    """Return, for each bundled model, the arguments of `euinet` that make it."""
    made = {"mnist": ["train", "--data", DATA, "--preset", "default"]}
    for digit in range(10):
        hold_out = ["--hold-out", str(digit)]
        made[f"mnist-without-{digit}"] = ["train", "--data", DATA, *hold_out, "--preset", "default"]
    # float16 weights: half the file
    made["mnist-report"] = ["reproduce", "--set", "training.half_weights=true"]
    return made


def trained(name: str, arguments: list[str], data_root: str | None) -> Path:
    """Return the model's folder, trained if it is not there."""
    out = RUNS / name
    if not (out / "metrics.json").is_file():
        root = ["--data-root", data_root] if data_root else []
        command = [sys.executable, "-m", "euinet", *arguments, "--out", str(out), "--json", *root]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return out / "model"


def bundle(name: str, source: Path, arguments: list[str], data_root: str | None) -> None:
    """Put the model in `source` into the package with its metrics and its command."""
    root = Path(data_root) if data_root else None
    metrics = evaluate_saved(load(source), DATA, FAR, root, lambda text: print(f"{name}: {text}"))
    model = load(source).torch()
    card = replace(model.card, metrics=metrics, command=" ".join(["euinet", *arguments]))
    save_model(replace(model, card=card), bundled_folder(name))
    record(name, data_root)


def record(name: str, data_root: str | None) -> None:
    """Write the test record of a bundled model into the package; nothing else of it changes."""
    root = Path(data_root) if data_root else None
    notify = partial(print, f"{name}:", flush=True)
    folder = bundled_folder(name)
    evaluate_saved(load(folder), DATA, FAR, root, notify, record=folder / RECORD_FILE)


def digests(name: str, data_root: str | None) -> None:
    """Write the digests of a bundled model's training images into the package; nothing else changes."""
    folder = bundled_folder(name)
    card = load(folder).card
    dataset = load_dataset(card.data, Path(data_root) if data_root else None)
    if dataset_fingerprint(dataset) != card.data_fingerprint:
        raise SystemExit(f"{name} was trained on other images than {card.data} has here.")
    save_seen(
        SeenImages.of(split_dataset(dataset, card.unknown_classes, card.preset.data, card.seed)), folder
    )


def measure(name: str, data_root: str | None) -> None:
    """Judge a bundled model anew; of its files only what its card says changes."""
    root, folder = Path(data_root) if data_root else None, bundled_folder(name)
    model = load(folder)
    metrics = evaluate_saved(model, DATA, FAR, root, partial(print, f"{name}:", flush=True))
    description = replace(model.description, card=replace(model.card, metrics=metrics))
    decision = (folder / DECISION_FILE).read_bytes()
    write_bytes(folder / DECISION_FILE, with_calibration(decision, description, model.calibration))
    copy_network(folder, folder, metrics)


def main() -> None:
    """Read the arguments and bundle every model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--benchmark", type=Path, help="the --out of a finished `euinet benchmark`")
    parser.add_argument("--records", action="store_true", help="train nothing, only make the test records")
    parser.add_argument("--metrics", action="store_true", help="train nothing, only judge them anew")
    parser.add_argument("--digests", action="store_true", help="train nothing, only make the digests")
    parser.add_argument("--data-root")
    arguments = parser.parse_args()
    kept = {"records": record, "metrics": measure, "digests": digests}
    for name, command in commands().items():
        if chosen := [make for option, make in kept.items() if getattr(arguments, option)]:
            for make in chosen:
                make(name, arguments.data_root)
            continue
        cell = f"without-{name.removeprefix('mnist-without-')}_seed-0"
        there = arguments.benchmark / "cells" / cell / "model" if arguments.benchmark else None
        if there is not None and there.is_dir():
            source = there
        else:
            source = trained(name, command, arguments.data_root)
        bundle(name, source, command, arguments.data_root)


if __name__ == "__main__":
    main()
