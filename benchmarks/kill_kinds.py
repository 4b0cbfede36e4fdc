"""Which commands `kills.py` kills: tiny networks on tiny data, so that one run takes seconds."""

from __future__ import annotations

from dataclasses import dataclass

TINY = {
    "data.fewest_validation": 10,
    "data.fewest_calibration": 10,
    "model.trunk_widths": "[4, 8]",
    "model.disc_hidden": 8,
    "training.min_steps": 1,
    "training.batch_size": 32,
    "gan.generator": "dense",
    "gan.latent_size": 4,
    "gan.width": 4,
    "gan.batch_size": 8,
    "scoring.alpha": "0.1",
}


FOLDER_OF_IMAGES = ["--data", "DATA/images", "--out", "out", "--device", "cpu"]


def tiny(epochs: int) -> list[str]:
    """Return the options for a tiny network and so many epochs of three steps."""
    pairs = [f"{name}={value}" for name, value in (TINY | {"training.epochs": epochs}).items()]
    return ["--preset", "report", *(part for pair in pairs for part in ("--set", pair))]


@dataclass(frozen=True)
class Kind:
    """A command: its arguments, with DATA for the made data, and what it leaves in its folder.

    Patterns are matched against paths inside the folder (fnmatch, so * goes over /).
    """

    arguments: list[str]
    results: tuple[str, ...]  # to be compared
    begun: str  # there is something to go on from
    ending: tuple[str, int]  # so many files of this pattern: the long part is done


TRAIN = ["train", *FOLDER_OF_IMAGES, "--hold-out", "a", "--image-size", "16", *tiny(80)]
BENCHMARK = [
    *("benchmark", *FOLDER_OF_IMAGES, "--hold-out", "a;b", "--seeds", "1", "--detectors", "own", *tiny(20))
]
PREDICT = ["predict", "mnist-without-4", "DATA/many.npy", "--part-images", "512", "--device", "cpu"]
TUNE = [
    *("tune", *FOLDER_OF_IMAGES, "--hold-out", "a", "--trials", "3", "--splits", "1", *tiny(10)),
    *("--search", "training.optimizer.learning_rate=0.001..0.01:log"),
]
CELLS, CHECKPOINT = ("out/cells/*", "out/*.csv", "out/*.json", "out/*.md", "out/*.png"), "*/checkpoint*.pt"
TRIALS = (
    "out/*.csv",
    "out/*.json",
    "out/*.png",
    "out/*/trial.json",
    "out/*/result.json",
    "out/*.safetensors",
)
KINDS = {
    "train": [Kind(TRAIN, ("out/*",), CHECKPOINT, ("out/model/*", 1))],
    "benchmark": [
        Kind([*BENCHMARK, "--jobs", jobs], CELLS, CHECKPOINT, ("*/result.json", 2)) for jobs in ("1", "2")
    ],
    "predict": [
        Kind([*PREDICT, "--out", name], (name,), "*.seal", ("*.seal", 8))
        for name in ("rows.csv", "rows.parquet")
    ],
    "tune": [Kind(TUNE, TRIALS, CHECKPOINT, ("*/trial.json", 3))],
}
