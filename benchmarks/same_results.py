"""Do two runs' folders hold the same results? Bit for bit, but for how long things took.

The rules, by a file's ending:

* .json, .jsonl, .csv and checkpoints are read and compared value by value, without the fields in TIMES;
* .npz is compared array by array, for a zip file holds dates; .md line by line, without columns in TIMES;
* everything else (.safetensors, .png, .parquet, …) is compared byte by byte.
"""

from __future__ import annotations

import csv
import fnmatch
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from euinet.training.checkpoint import read_checkpoint

TIMES = ("seconds", "train_seconds", "evaluate_seconds", "score_seconds", "score_ms")
NEVER = (
    "*.lock",
    "*/tensorboard/*",
    "*checkpoint.previous.pt",  # which one is the last but one depends on where a sitting began
)


def differing(
    reference: Path, folder: Path, results: Sequence[str], times: Sequence[str] = TIMES
) -> list[str]:
    """Return the names of the result files that differ, are missing, or are too many; leftovers, too."""
    names = _names(reference, results) | _names(folder, results)
    wrong = [name for name in sorted(names) if not same_file(reference / name, folder / name, times)]
    return wrong + sorted(str(path.relative_to(folder)) for path in folder.rglob("*.part"))


def same_file(one: Path, two: Path, times: Sequence[str] = TIMES) -> bool:
    """Return whether two result files say the same."""
    if not (one.is_file() and two.is_file()):
        return False
    if (read := READERS.get(one.suffix)) is None:
        return one.read_bytes() == two.read_bytes()
    return _same(_without(read(one), times), _without(read(two), times))


def _names(folder: Path, results: Sequence[str]) -> set[str]:
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {
        name
        for name in names
        if any(fnmatch.fnmatch(name, wanted) for wanted in results)
        and not any(fnmatch.fnmatch("/" + name, never) for never in NEVER)
    }


def _read_csv(path: Path) -> Any:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _read_npz(path: Path) -> Any:
    with np.load(path) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def _read_markdown(path: Path) -> Any:
    """Return the lines; those of a table as {heading: cell}."""
    lines: list[Any] = []
    heads: list[str] | None = None
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("| "):
            heads = None
            lines.append(line)
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        heads = heads or cells
        lines.append(dict(zip(heads, cells, strict=True)))
    return lines


READERS: dict[str, Callable[[Path], Any]] = {
    ".json": lambda path: json.loads(path.read_bytes()),
    ".jsonl": lambda path: [json.loads(line) for line in path.read_text().splitlines()],
    ".csv": _read_csv,
    ".npz": _read_npz,
    ".md": _read_markdown,
    ".pt": read_checkpoint,
}


def _without(value: Any, times: Sequence[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(part, times) for key, part in value.items() if key not in times}
    if isinstance(value, list | tuple):
        return [_without(part, times) for part in value]
    return value


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(_same(one[key], two[key]) for key in one)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(_same(*pair) for pair in zip(one, two, strict=True))
    if isinstance(one, torch.Tensor) and isinstance(two, torch.Tensor):
        return one.dtype == two.dtype and torch.equal(one, two)
    return type(one) is type(two) and (one == two or (one != one and two != two))  # NaN is the same as NaN
