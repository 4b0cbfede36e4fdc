"""Measure the readings of the report: one change at a time from the preset `report`, several seeds each.

    python benchmarks/readings.py run                     # digit 0 held out, MNIST's test images
    python benchmarks/readings.py run --pseudo 2 6        # for choosing: no 0, no test image
    python benchmarks/readings.py scoring runs/seed-*     # readings of the inference stage, on saved models
    python benchmarks/readings.py table                   # docs/results/readings.md

Rows go to docs/results/ as they come; a run that was interrupted goes on where it stopped. With --pseudo
each of the given digits in turn plays the unknown: the split is made of the training images of the known
digits alone (`pseudo_dataset`), so that what is chosen there has seen no 0.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from euinet.records import Split
    from euinet.training.run import Trained

MEASURES = ("id_accuracy", "ood_accuracy", "closed_set_accuracy")
RESULTS = Path("docs/results/readings.jsonl")
SCORING_RESULTS = Path("docs/results/scoring.jsonl")


@dataclass(frozen=True)
class Reading:
    """One way to read the report: settings that differ from the preset, and the question they answer."""

    name: str
    question: str
    settings: dict[str, str]
    seeds: int = 5  # fewer where one look is enough to put a reading aside


TRAINING_READINGS = (
    Reading("report", "The preset.", {}),
    Reading(
        "T = 10⁻³ multiplies in training",
        "Section 4.1 lists T for training too.",
        {"training.temperature": "0.001"},
    ),
    Reading(
        "T = 10⁻³ divides in training",
        "ODIN's formula divides by T.",
        {"training.temperature": "0.001", "training.temperature_rule": "divide"},
        seeds=1,
    ),
    Reading(
        "eq. 2 on softmax probabilities",
        "ŷ of eq. 2 is the softmax, by the letter.",
        {"training.class_loss": "softmax_binary"},
        seeds=2,
    ),
    Reading(
        "eq. 2 with T = 10⁻³, by the letter",
        "Both at once.",
        {"training.class_loss": "softmax_binary", "training.temperature": "0.001"},
        seeds=1,
    ),
    Reading(
        "eq. 2 on sigmoids",
        "One binary classifier a label, as section 3 says of the discriminator.",
        {"training.class_loss": "sigmoid_binary"},
        seeds=1,
    ),
    Reading(
        "discriminator reads pixels",
        "Figure 4 draws it beside the classifier.",
        {"model.disc_input": "pixels"},
    ),
    Reading("discriminator reads all stages", "Low features too.", {"model.disc_input": "stages"}, seeds=1),
    Reading(
        "discriminator shapes the trunk",
        "One objective, and its whole gradient.",
        {"training.disc_shapes_trunk": "true"},
    ),
    Reading(
        "section 4.1's learning rate",
        "The preset takes ten times as much.",
        {"training.rate_factor": "1"},
        seeds=2,
    ),
    Reading(
        "no augmentation, no stitching",
        "The report names neither.",
        {"data.augmentation": "0", "data.stitched": "0"},
        seeds=1,
    ),
    Reading("no stitching", "What stitching brings.", {"data.stitched": "0"}, seeds=2),
    Reading("no running average", "The weights as they are.", {"training.average_decay": "0"}, seeds=1),
    Reading(
        "one cycle, three times as long",
        "Annealed to a rate of 0.",
        {"training.schedule": "one_cycle", "training.epochs": "6"},
        seeds=1,
    ),
    Reading("dense generator", "A coarser GAN.", {"gan.generator": "dense"}, seeds=1),
    Reading(
        "generator without biases", "Section 2.2's first remedy.", {"gan.generator_bias": "false"}, seeds=1
    ),
    Reading(
        "feature matching",
        "Section 2.2's second remedy, alone.",
        {"gan.adversarial_weight": "0", "gan.feature_matching_weight": "10"},
        seeds=1,
    ),
)

# Read off the same trained network: nothing here needs another training.
NO_PERTURBATION = {"scoring.epsilon": "0"}
SCORING_READINGS = (
    Reading("no perturbation", "", NO_PERTURBATION),
    Reading(
        "no perturbation, one range for all classes", "", NO_PERTURBATION | {"scoring.logit_range": "shared"}
    ),
    Reading("no perturbation, α = 0", "", NO_PERTURBATION | {"scoring.disc_scale": "0"}),
    Reading(
        "no perturbation, α and γ on the logits as they are",
        "",
        NO_PERTURBATION | {"scoring.logit_range": "fixed"},
    ),
    Reading(
        "no perturbation, T divides, α and γ on the logits as they are",
        "",
        NO_PERTURBATION | {"scoring.logit_range": "fixed", "scoring.temperature_rule": "divide"},
    ),
    Reading("ε = 0.3 of pixels 0…255, sign (preset)", "", {}),
    Reading("ε = 0.3 of pixels 0…1, sign", "", {"scoring.pixel_range": "1"}),
    Reading("ε = 0.3 of pixels −1…1, sign", "", {"scoring.pixel_range": "2"}),
    Reading(
        "ε = 0.3 of pixels 0…1, raw gradient", "", {"scoring.pixel_range": "1", "scoring.perturbation": "raw"}
    ),
    Reading(
        "ε = 0.3 of pixels −1…1, raw gradient",
        "",
        {"scoring.pixel_range": "2", "scoring.perturbation": "raw"},
    ),
)


@dataclass(frozen=True)
class Cell:
    """One training: a reading, a seed, and which digit is unknown (None: the 0, for the record)."""

    reading: Reading
    seed: int
    pseudo: int | None
    epochs: int
    data_root: str | None

    @property
    def key(self) -> tuple[str, int, int | None, int]:
        """Identify the cell in the results file."""
        return self.reading.name, self.seed, self.pseudo, self.epochs


def run_cell(cell: Cell) -> dict[str, Any]:
    """Train and judge one cell; return its row."""
    import torch

    torch.set_num_threads(1)
    from euinet.data.sets.datasets import load_dataset
    from euinet.data.split.holdout import hold_out_classes, pseudo_dataset
    from euinet.errors import TrainingError
    from euinet.presets import get_preset
    from euinet.training.devices import make_fabric
    from euinet.training.loop import train

    settings = {"training.epochs": str(cell.epochs), **cell.reading.settings}
    preset = get_preset("report", settings)
    dataset = load_dataset("mnist", Path(cell.data_root) if cell.data_root else None)
    split = hold_out_classes(dataset, ["0"], seed=cell.seed)
    if cell.pseudo is not None:
        label = split.class_names.index(str(cell.pseudo))
        split = hold_out_classes(pseudo_dataset(split, label), [label], seed=cell.seed)
    row: dict[str, Any] = {
        "reading": cell.reading.name,
        "seed": cell.seed,
        "pseudo": cell.pseudo,
        "epochs": cell.epochs,
    }
    try:
        with tempfile.TemporaryDirectory() as folder:
            trained = train(split, preset, cell.seed, Path(folder), make_fabric("auto"), quiet=True)
    except TrainingError as error:
        return row | {"error": str(error)}
    row["train_seconds"] = round(trained.seconds, 1)
    row["fake_diversity"] = trained.history[-1]["fake_diversity"]
    return row | judge(trained, split, settings)


def judge(trained: Trained, split: Split, settings: dict[str, str]) -> dict[str, Any]:
    """Return the measures of one trained cell without perturbation, and each detector's AUROC."""
    from euinet.judging.evaluate import decision_metrics
    from euinet.judging.metrics import detection_metrics
    from euinet.presets import get_preset
    from euinet.scoring.baselines import gan_discriminator_scores
    from euinet.scoring.inference import decide_from_scores, raw_scores
    from euinet.scoring.threshold import fit_logit_range

    labels = split.test.labels
    scoring = get_preset("report", settings | NO_PERTURBATION).scoring
    logit_range = fit_logit_range(raw_scores(trained.model, split.validation.images, scoring), scoring)
    raw = raw_scores(trained.model, split.test.images, scoring)
    decision = decide_from_scores(raw, scoring, logit_range)
    measures = decision_metrics(decision, labels)
    scores = {
        "EuiNet": decision.ood_score,
        "maximum logit": -raw.class_logits.amax(dim=1).numpy(),
        "model discriminator": raw.disc_score.numpy(),
        "GAN discriminator": gan_discriminator_scores(trained.gan_discriminator, split.test.images).numpy(),
    }
    return {
        **{key: measures[key] for key in MEASURES},
        **medians(decision, labels),
        "auroc": {name: detection_metrics(score, labels)["auroc"] for name, score in scores.items()},
    }


def score_models(arguments: argparse.Namespace) -> None:
    """Measure the scoring readings on saved models, each on the split it was trained on."""
    from euinet.data.sets.datasets import load_dataset
    from euinet.data.split.holdout import hold_out_classes
    from euinet.judging.evaluate import decision_metrics
    from euinet.judging.metrics import detection_metrics
    from euinet.presets import get_preset
    from euinet.scoring.baselines import vanilla_odin_scores
    from euinet.scoring.inference import decide_from_scores, raw_scores
    from euinet.scoring.threshold import fit_logit_range
    from euinet.trained.model import load_trained

    data_root = Path(arguments.data_root) if arguments.data_root else None
    dataset = load_dataset("mnist", data_root)
    with SCORING_RESULTS.open("w", encoding="utf-8") as out:
        for folder in arguments.models:
            model = load_trained(Path(folder) / "model")
            split = hold_out_classes(dataset, list(model.card.unknown_classes), seed=model.card.seed)
            labels = split.test.labels
            row: dict[str, Any] = {"seed": model.card.seed, "scoring": {}}
            for reading in SCORING_READINGS:
                scoring = get_preset("report", reading.settings).scoring
                known = raw_scores(model.network, split.validation.images, scoring)
                logit_range = fit_logit_range(known, scoring)
                raw = raw_scores(model.network, split.test.images, scoring)
                measures = decision_metrics(decide_from_scores(raw, scoring, logit_range), labels)
                row["scoring"][reading.name] = {key: measures[key] for key in (*MEASURES, "auroc")}
            odin = vanilla_odin_scores(model.network, split.test.images).numpy()
            row["vanilla ODIN"] = detection_metrics(odin, labels)["auroc"]
            out.write(json.dumps(row) + "\n")
            out.flush()
            print(json.dumps(row), flush=True)


def medians(decision: Any, labels: Any) -> dict[str, float]:
    """Return the medians of h and of Max-2-Max on known and on unknown images (figure 19, summed up)."""
    top = np.sort(decision.probabilities, axis=1)
    lead = top[:, -1] - top[:, -2]
    found = {}
    for name, mask in (("known", labels >= 0), ("unknown", labels < 0)):
        found[f"h_median_{name}"] = float(np.median(decision.disc_score[mask]))
        found[f"max_2_max_median_{name}"] = float(np.median(lead[mask]))
    return found


def cells_to_run(arguments: argparse.Namespace, done: set[Any]) -> Iterator[Cell]:
    """Yield the cells asked for that no row holds yet."""
    readings = [r for r in TRAINING_READINGS if not arguments.readings or r.name in arguments.readings]
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        for pseudo in arguments.pseudo or [None]:
            for reading in readings:
                cell = Cell(reading, seed, pseudo, arguments.epochs, arguments.data_root)
                if seed < reading.seeds and cell.key not in done:
                    yield cell


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows found so far."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def run(arguments: argparse.Namespace) -> None:
    """Run the cells, appending each row as it comes."""
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    done = {(r["reading"], r["seed"], r["pseudo"], r["epochs"]) for r in read_rows(arguments.out)}
    cells = list(cells_to_run(arguments, done))
    with ProcessPoolExecutor(arguments.workers) as pool, arguments.out.open("a", encoding="utf-8") as out:
        futures = [pool.submit(run_cell, cell) for cell in cells]
        for count, future in enumerate(as_completed(futures), 1):
            row = future.result()
            out.write(json.dumps(row) + "\n")
            out.flush()
            print(f"{count}/{len(cells)} {summary(row)}", flush=True)


def summary(row: dict[str, Any]) -> str:
    """Return one line on a row."""
    where = f"{row['reading']}, seed {row['seed']}, unknown {row['pseudo'] or 0}"
    if "error" in row:
        return f"{where}: {row['error']}"
    parts = ", ".join(f"{name} {value:.4f}" for name, value in row["auroc"].items())
    return f"{where}: closed-set {row['closed_set_accuracy']:.4f}; AUROC {parts}"


def table(arguments: argparse.Namespace) -> None:
    """Write the tables of the record from the rows, as Markdown beside them."""
    rows = read_rows(arguments.out)
    parts = {
        "readings": readings_table([row for row in rows if row["pseudo"] is None]),
        "pseudo": readings_table([row for row in rows if row["pseudo"] is not None]),
        "scoring": scoring_table(read_rows(SCORING_RESULTS)),
    }
    for name, lines in parts.items():
        arguments.out.with_name(f"{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
        print("\n".join(lines) + "\n")


def readings_table(rows: list[dict[str, Any]]) -> list[str]:
    """Return one line a reading, over its seeds (and pseudo-unknown digits)."""
    lines = [
        "| reading | runs | closed-set accuracy | AUROC EuiNet | AUROC max logit | AUROC h | h median, known"
        " / unknown | AUROC GAN's D | `id_accuracy` | `ood_accuracy` |",
        "| --- " * 10 + "|",
    ]
    for reading in TRAINING_READINGS:
        found = [row for row in rows if row["reading"] == reading.name]
        good = [row for row in found if "error" not in row]
        if found and not good:
            lines.append(f"| {reading.name} | {len(found)} | {found[0]['error']} |" + " |" * 7)
        if good:
            lines.append("| " + " | ".join(reading_cells(reading.name, good)) + " |")
    return lines


def reading_cells(name: str, rows: list[dict[str, Any]]) -> list[str]:
    """Return the cells of one reading's line."""
    aurocs = {d: spread([row["auroc"][d] for row in rows]) for d in rows[0]["auroc"]}
    measures = {m: spread([row[m] for row in rows]) for m in MEASURES}
    h_medians = (f"{np.median([row[f'h_median_{who}'] for row in rows]):.1g}" for who in ("known", "unknown"))
    return [
        name,
        str(len(rows)),
        measures["closed_set_accuracy"],
        aurocs["EuiNet"],
        aurocs["maximum logit"],
        aurocs["model discriminator"],
        " / ".join(h_medians),
        aurocs["GAN discriminator"],
        measures["id_accuracy"],
        measures["ood_accuracy"],
    ]


def scoring_table(rows: list[dict[str, Any]]) -> list[str]:
    """Return the table of scoring readings, all read off the same saved networks."""
    if not rows:
        return []
    lines = [
        "| scoring of the preset's networks | closed-set accuracy | AUROC | `id_accuracy` | `ood_accuracy` |"
    ]
    lines.append("| --- " * 5 + "|")
    for scoring in SCORING_READINGS:
        found = [row["scoring"][scoring.name] for row in rows]
        columns = ("closed_set_accuracy", "auroc", "id_accuracy", "ood_accuracy")
        lines.append(
            f"| {scoring.name} | " + " | ".join(spread([f[c] for f in found]) for c in columns) + " |"
        )
    odin = spread([row["vanilla ODIN"] for row in rows])
    return [*lines, f"| vanilla ODIN (T = 1000, ε = 0.0012) | | {odin} | | |"]


def spread(values: Sequence[float]) -> str:
    """Return "mean ± standard deviation" with four digits; the mean alone of one value."""
    mean = float(np.mean(values))
    return f"{mean:.4f}" if len(values) < 2 else f"{mean:.4f} ± {float(np.std(values, ddof=1)):.4f}"


def main(argv: Sequence[str] | None = None) -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["run", "scoring", "table"])
    parser.add_argument("models", nargs="*", help="folders that `euinet reproduce` wrote")
    parser.add_argument("--readings", nargs="*", help="names; all by default")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--pseudo", type=int, nargs="*", help="known digits that play the unknown, in turn")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--data-root")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args(argv)
    {"run": run, "scoring": score_models, "table": table}[arguments.action](arguments)


if __name__ == "__main__":
    main()
