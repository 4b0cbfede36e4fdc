"""The same few rows as a file of every kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

WIDTH = 5
LABELS = np.array(["ant", "bee", "cow"])[np.arange(24) % 3]
SPLITS = np.array(["train", "train", "train", "test"])[np.arange(24) // 6]
ROWS = np.random.default_rng(0).normal(50, 10, (24, WIDTH)).astype(np.float32)


def write_table(
    place: Path,
    rows: np.ndarray = ROWS,
    labels: np.ndarray | None = LABELS,
    splits: np.ndarray | None = None,
    *,
    numbered: bool = False,
    group: int = 7,
) -> Path:
    """Write rows (N, F) as a .parquet (of row groups of `group`), .npz, .npy or .csv file, by its ending."""
    beside = {name: column for name, column in (("label", labels), ("split", splits)) if column is not None}
    if place.suffix == ".npz":
        np.savez(place, features=rows, **beside)  # type: ignore[arg-type]
    elif place.suffix == ".npy":
        np.save(place, rows)
    elif place.suffix == ".csv":
        head = [f"f{number}" for number in range(rows.shape[1])]
        lines = [",".join([*head, *beside])]
        for at, row in enumerate(rows):
            lines.append(
                ",".join([*map(repr, row.tolist()), *(str(column[at]) for column in beside.values())])
            )
        place.write_text("\n".join(lines) + "\n")
    else:
        features = (
            {f"f{number}": rows[:, number] for number in range(rows.shape[1])}
            if numbered
            else {"features": pa.array(list(rows), pa.list_(pa.from_numpy_dtype(rows.dtype)))}
        )
        pq.write_table(pa.table(features | beside), place, row_group_size=group)
    return place


def write_labels(place: Path, labels: np.ndarray = LABELS, head: str = "label") -> Path:
    """Write a file of labels, one a line."""
    place.write_text("\n".join([*([head] if head else []), *labels.tolist()]) + "\n")
    return place
