"""Results as they come: one file a finished cell, and all of them collected after each.

OUT/benchmark.json                 the identity: what the numbers of all cells depend on
OUT/cells/ID/result.json           one finished cell, written whole or not at all
OUT/results.csv, results.json      the finished cells of the last command, collected
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from euinet.benchmark.results import CellResult, Row
from euinet.data.split.fingerprint import dataset_fingerprint
from euinet.errors import StorageError, UsageError
from euinet.presets import Preset
from euinet.records import Dataset
from euinet.system.differing import differing
from euinet.system.files import write_text
from euinet.system.version import VERSION

IDENTITY_FILE, CELLS_FOLDER, RESULT_FILE = "benchmark.json", "cells", "result.json"
CSV_FILE, JSON_FILE = "results.csv", "results.json"


def make_identity(dataset: Dataset, preset: Preset, precision: str, *, pseudo: bool) -> dict[str, Any]:
    """Return what decides the numbers of every cell besides its split and seed, as plain values."""
    return {
        "data": dataset.name,
        "data_fingerprint": dataset_fingerprint(dataset),
        "preset": preset.model_dump(mode="json"),
        "precision": precision,
        "pseudo_unknowns": pseudo,
        "euinet": VERSION,
    }


def claim(out: Path, identity: Mapping[str, Any], far_fingerprints: Mapping[str, str]) -> None:
    """Mark `out` as this benchmark's, before anything is trained.

    Raises UsageError when it holds results of another, naming what differs; other far sets are no
    difference, but other images under the same name are.
    """
    path = out / IDENTITY_FILE
    if path.is_file():
        _refuse_other(path, _read_json(path), identity)
    for result_path in sorted((out / CELLS_FOLDER).glob(f"*/{RESULT_FILE}")):
        result = read_result(out, result_path.parent.name)
        if result is None:
            continue
        _refuse_other(result_path, result.identity, identity)
        found = result.far_fingerprints
        shared = [name for name in far_fingerprints if name in found]
        far_sets = ({f"far set '{name}'": of[name] for name in shared} for of in (found, far_fingerprints))
        _refuse_other(result_path, *far_sets)
    write_text(path, json.dumps(identity, indent=2) + "\n")


def cell_folder(out: Path, cell_id: str) -> Path:
    """Return where a cell keeps its files."""
    return out / CELLS_FOLDER / cell_id


def write_result(out: Path, result: CellResult) -> None:
    """Write a finished cell's result.json, whole or not at all: the cell is done once it is there."""
    write_text(cell_folder(out, result.cell) / RESULT_FILE, json.dumps(result.to_plain(), indent=2) + "\n")


def read_result(out: Path, cell_id: str) -> CellResult | None:
    """Return a finished cell's result, or None. Raises StorageError when the file is damaged."""
    path = cell_folder(out, cell_id) / RESULT_FILE
    if not path.is_file():
        return None
    try:
        return CellResult.from_plain(_read_json(path))
    except (TypeError, KeyError, ValueError) as error:
        raise _damaged(path) from error


def write_collected(
    out: Path, results: Sequence[CellResult], detectors: Sequence[str], unknown_sets: Sequence[str]
) -> None:
    """Write results.json and results.csv, one line per cell × detector × set, of what was asked for."""
    wanted = [(detector, name) for detector in detectors for name in unknown_sets]
    cells = []
    for result in results:
        rows = {row.key: row for row in result.rows}
        kept = [asdict(rows[key]) for key in wanted if key in rows]
        cells.append({k: v for k, v in result.to_plain().items() if k != "identity"} | {"rows": kept})
    write_text(out / JSON_FILE, json.dumps({"cells": cells}, indent=2) + "\n")
    write_text(out / CSV_FILE, _as_csv(cells))


def _as_csv(cells: Sequence[Mapping[str, Any]]) -> str:
    of_cell = ("cell", "held_out", "pseudo_unknown", "seed", "known_images", "unknown_images")
    also = ("closed_set_accuracy", "train_seconds")
    of_row = tuple(field.name for field in fields(Row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(of_cell + of_row + also)
    for cell in cells:
        shared = dict(cell) | {"held_out": ",".join(cell["held_out"])}
        for row in cell["rows"]:
            writer.writerow(
                [shared[k] for k in of_cell] + [row[k] for k in of_row] + [shared[k] for k in also]
            )
    return text.getvalue()


def _refuse_other(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    if different := differing(found, wanted):
        raise UsageError(
            f"{path} belongs to a benchmark with another {', '.join(different)}: numbers of both must not "
            "be mixed, so choose another --out, or give the same options as before."
        )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path) from error
    if not isinstance(content, dict):
        raise _damaged(path)
    return content


def _damaged(path: Path) -> StorageError:
    return StorageError(f"{path} cannot be read as a result of this version; delete it and run again.")
