"""What euinet costs beside what others would: `make benchmark`, one table of ratios with their spread.

    python benchmarks/speed.py [--rounds 3] [--only training scoring …] [--json FILE] [--markdown FILE]

Every contender runs in a process of its own, in turn with those it is compared with, round after round, so
that a drift of the machine's speed meets all; a ratio is taken within a round. The contenders are in
`benchmarks/contenders/`; nothing here is a test, for no machine promises a time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
START_UPS = 7


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure of each round."""

    section: str
    what: str
    unit: str
    values: tuple[float, ...]

    def text(self) -> str:
        """Return median (least … most) and the unit."""
        low, middle, high = min(self.values), statistics.median(self.values), max(self.values)
        digits = 0 if middle >= 100 else 1 if middle >= 10 else 2
        return f"{middle:,.{digits}f} ({low:,.{digits}f} … {high:,.{digits}f}) {self.unit}"


Rounds = dict[str, list[dict[str, Any]]]


def child(module: str, who: str) -> dict[str, Any]:
    """Run one contender and return what it told."""
    done = subprocess.run(
        [sys.executable, "-m", module, who],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{module} {who} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


def in_turn(module: str, contenders: Sequence[str], rounds: int) -> Rounds:
    """Run all contenders, round after round."""
    told: Rounds = defaultdict(list)
    for number in range(rounds):
        for who in contenders:
            started = time.monotonic()
            told[who].append(child(module, who))
            seconds = time.monotonic() - started
            # the figures too: an interrupted benchmark then has not been for nothing
            print(
                f"  round {number + 1}/{rounds}: {module} {who}, {seconds:.0f} s: {told[who][-1]}",
                file=sys.stderr,
                flush=True,
            )
    return told


def values(told: Rounds, who: str, key: str) -> list[float]:
    """Return one figure of one contender, by round."""
    return [one[key] for one in told[who]]


def ratios(over: Sequence[float], under: Sequence[float]) -> tuple[float, ...]:
    """Return the ratio of each round."""
    return tuple(a / b for a, b in zip(over, under, strict=True))


def training(rounds: int) -> list[Row]:
    """The training step of preset `default`, beside a plain loop and the machine's own ceiling."""
    told = in_turn("contenders.training", ("euinet", "layout", "plain-0", "plain-2"), rounds)
    ceiling = in_turn("contenders.ceiling", ("products",), rounds)["products"]
    ours, layout = values(told, "euinet", "ms"), values(told, "layout", "ms")
    plain = [
        min(pair) for pair in zip(values(told, "plain-0", "ms"), values(told, "plain-2", "ms"), strict=True)
    ]
    done = [gflop / ms * 1000 for gflop, ms in zip(values(told, "euinet", "gflop"), ours, strict=True)]
    share = tuple(100 * a / one["gflops"] for a, one in zip(done, ceiling, strict=True))
    rows = [
        ("matrix products, float32, 2048 × 2048", "GFLOP/s", [one["gflops"] for one in ceiling]),
        ("copying memory", "GB/s", [one["copied"] for one in ceiling]),
        ("a step of G, D and EuiNet (128 + 128 images, 119 rows read)", "ms", ours),
        ("its arithmetic", "GFLOP/s", done),
        ("of the products' ceiling", "%", share),
        ("the same step, default layout, memory given back", "ms", layout),
        ("… as a ratio", "×", ratios(layout, ours)),
        ("a plain loop's step, DataLoader with 0 or 2 workers, the faster", "ms", plain),
        ("… as a ratio", "×", ratios(plain, ours)),
        ("peak memory of euinet's process", "MB", values(told, "euinet", "peak_mb")),
    ]
    return [Row("training", what, unit, tuple(found)) for what, unit, found in rows]


def scoring(rounds: int) -> list[Row]:
    """Images a second, with and without the perturbation."""
    contenders = ("odin-library", "odin-euinet", "onnx-perturbed", "library", "decision", "onnx")
    told = in_turn("contenders.scoring", contenders, rounds)
    same = child("contenders.scoring", "check")["difference"]
    rate = {who: values(told, who, "per_second") for who in contenders}
    rows = [
        ("ODIN, pytorch-ood", "images/s", rate["odin-library"]),
        (f"ODIN, euinet (scores differ by {same:.0e} at most)", "images/s", rate["odin-euinet"]),
        ("… as a ratio", "×", ratios(rate["odin-euinet"], rate["odin-library"])),
        ("whole decision with that perturbation, exported, onnxruntime", "images/s", rate["onnx-perturbed"]),
        ("… as a ratio to pytorch-ood's ODIN", "×", ratios(rate["onnx-perturbed"], rate["odin-library"])),
        ("maximum logit, pytorch-ood", "images/s", rate["library"]),
        ("whole decision, euinet", "images/s", rate["decision"]),
        ("… as a ratio", "×", ratios(rate["decision"], rate["library"])),
        ("whole decision, exported, onnxruntime", "images/s", rate["onnx"]),
        ("… as a ratio", "×", ratios(rate["onnx"], rate["library"])),
    ]
    return [Row("scoring", what, unit, tuple(found)) for what, unit, found in rows]


def latency(rounds: int) -> list[Row]:
    """One image at a time."""
    pairs = (("odin-library", "perturbed", "onnx-perturbed"), ("library", "decision", "onnx"))
    told = in_turn("contenders.scoring", [f"one-{who}" for trio in pairs for who in trio], rounds)
    names = {
        "odin-library": "ODIN, pytorch-ood", "perturbed": "whole decision with its perturbation, torch",
        "onnx-perturbed": "whole decision with its perturbation, onnxruntime",
        "library": "maximum logit, pytorch-ood", "decision": "whole decision, torch",
        "onnx": "whole decision, onnxruntime",
    }  # fmt: skip
    rows = []
    for trio in pairs:
        for who in trio:
            for key in ("p50", "p99"):
                rows += [(f"{names[who]}, {key}", "ms", values(told, f"one-{who}", key))]
        slow, fast = (values(told, f"one-{who}", "p50") for who in (trio[0], trio[2]))
        rows.append((f"{names[trio[0]]}, over onnxruntime's, p50", "×", list(ratios(slow, fast))))
    return [Row("one image", what, unit, tuple(found)) for what, unit, found in rows]


def detectors(rounds: int) -> list[Row]:
    """All of pytorch-ood's detectors that the benchmark compares."""
    told = in_turn("contenders.detectors", ("shared", "one-by-one"), rounds)
    count = told["shared"][0]["detectors"]
    shared, alone = values(told, "shared", "seconds"), values(told, "one-by-one", "seconds")
    rows = [
        (f"{count} detectors, passes shared", "s", shared),
        (f"{count} detectors, pytorch-ood's loop, one after the other", "s", alone),
        ("… as a ratio", "×", list(ratios(alone, shared))),
    ]
    return [Row("detectors", what, unit, tuple(found)) for what, unit, found in rows]


def sweep(rounds: int) -> list[Row]:
    """Ten models at once."""
    told = in_turn("contenders.sweep", ("one-by-one", "side-by-side", "separate", "grouped"), rounds)
    turn, side = (values(told, who, "steps_per_second") for who in ("one-by-one", "side-by-side"))
    apart, grouped = (values(told, who, "ms") for who in ("separate", "grouped"))
    rows = [
        ("ten models in turn, all cores each", "steps/s", turn),
        ("one process a core, models side by side (--jobs)", "steps/s", side),
        ("… as a ratio", "×", list(ratios(side, turn))),
        ("ten trunks in turn, forward and backward", "ms", apart),
        ("ten trunks as grouped convolutions", "ms", grouped),
        ("… as a ratio", "×", list(ratios(apart, grouped))),
    ]
    return [Row("sweeps", what, unit, tuple(found)) for what, unit, found in rows]


def startup(rounds: int) -> list[Row]:
    """How long a command takes that computes nothing."""
    rows = []
    for what in ("--help", "models"):
        taken = []
        for _ in range(max(rounds, START_UPS)):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-m", "euinet", what], capture_output=True, check=True)
            taken.append(time.perf_counter() - started)
        rows.append(Row("start", f"euinet {what}", "s", tuple(taken)))
    return rows


SECTIONS: dict[str, Callable[[int], list[Row]]] = {
    section.__name__: section for section in (training, scoring, latency, detectors, sweep, startup)
}


def as_markdown(rows: Sequence[Row], machine: str) -> str:
    """Return the table."""
    lines = [machine, "", "| | what | median (least … most) |", "| --- | --- | --- |"]
    lines += [f"| {row.section} | {row.what} | {row.text()} |" for row in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=tuple(SECTIONS), default=tuple(SECTIONS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    asked = parser.parse_args()
    rows = [row for name in asked.only for row in SECTIONS[name](asked.rounds)]
    machine = (
        f"{_processor()}, {os.cpu_count()} cores, {date.today().isoformat()}; torch {version('torch')}, "
        f"onnxruntime {version('onnxruntime')}, pytorch-ood {version('pytorch-ood')}; {asked.rounds} rounds."
    )
    table = as_markdown(rows, machine)
    print(table, end="")
    if asked.markdown:
        asked.markdown.write_text(table, encoding="utf-8")
    if asked.json:
        plain = {"machine": machine, "rows": [asdict(row) for row in rows]}
        asked.json.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _processor() -> str:
    """Return the processor's name, and what of it matters here."""
    if not Path("/proc/cpuinfo").is_file():
        return platform.processor() or platform.machine()
    facts = dict(line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    flags = facts.get("flags", "").split()
    able = next((flag for flag in ("amx_bf16", "avx512_bf16", "avx512f", "avx2") if flag in flags), "")
    return f"{facts.get('model name', platform.machine())} ({able})"


if __name__ == "__main__":
    main()
