"""The report's experiment over several seeds: mean and spread beside the report's figures.

    python benchmarks/seeds.py run --seeds 5 [--workers 2]   # `euinet reproduce --seed S`, into runs/seed-S
    python benchmarks/seeds.py table                         # docs/results/seeds.md and seeds.json

A seed whose metrics.json is there is not run again. Several workers share the processor's threads.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean, stdev
from typing import Any

RUNS = Path("runs")
RESULTS = Path("docs/results/seeds")
REPORTED = {"id_accuracy": 0.995853, "ood_accuracy": 0.969353}
MEASURES = ("id_accuracy", "ood_accuracy", "closed_set_accuracy", "auroc", "fpr95", "aupr_out", "oscr")


def run_seed(seed: int, threads: int, data_root: str | None) -> None:
    """Run one seed in a process of its own."""
    folder = RUNS / f"seed-{seed}"
    if (folder / "metrics.json").is_file():
        return
    command = [
        sys.executable,
        "-m",
        "euinet",
        "reproduce",
        "--seed",
        str(seed),
        "--out",
        str(folder),
        "--json",
    ]
    command += ["--data-root", data_root] if data_root else []
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the seeds' measures, their mean and standard deviation, and the detectors', as Markdown."""
    lines = ["| seed | " + " | ".join(f"`{name}`" for name in MEASURES) + " |", "| --- " * 8 + "|"]
    lines += [f"| {r['seed']} | " + " | ".join(f"{r[name]:.4f}" for name in MEASURES) + " |" for r in rows]
    lines.append("| mean ± s.d. | " + " | ".join(spread([r[name] for r in rows]) for name in MEASURES) + " |")
    lines.append(
        "| the report | " + " | ".join(f"{REPORTED[n]:.4f}" if n in REPORTED else "" for n in MEASURES) + " |"
    )
    columns = ("auroc", "fpr95", "id_accuracy", "ood_accuracy")
    lines += ["", "| detector | " + " | ".join(f"`{c}`" for c in columns) + " |", "| --- " * 5 + "|"]
    for name in rows[0]["detectors"]:
        cells = [spread([row["detectors"][name][column] for row in rows]) for column in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def spread(values: Sequence[float]) -> str:
    """Return "mean ± standard deviation"."""
    return f"{mean(values):.4f} ± {stdev(values):.4f}" if len(values) > 1 else f"{values[0]:.4f}"


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["run", "table"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--data-root")
    arguments = parser.parse_args()
    if arguments.action == "run":
        threads = max(1, (os.cpu_count() or 1) // arguments.workers)
        with ThreadPoolExecutor(arguments.workers) as pool:
            list(pool.map(lambda seed: run_seed(seed, threads, arguments.data_root), range(arguments.seeds)))
    folders = [RUNS / f"seed-{seed}" for seed in range(arguments.seeds)]
    rows = [json.loads((f / "metrics.json").read_text()) for f in folders if (f / "metrics.json").is_file()]
    if not rows:
        sys.exit(f"There are no finished seeds in {RUNS}; run `python benchmarks/seeds.py run` first.")
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    RESULTS.with_suffix(".md").write_text(table(rows), encoding="utf-8")
    print(table(rows))


if __name__ == "__main__":
    main()
