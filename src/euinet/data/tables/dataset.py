"""A table of embeddings as a data set, by the rules of a folder of images."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from euinet.answers import StoredArray
from euinet.data.embedded.listing import PARTS
from euinet.data.embedded.rows import FeatureRows
from euinet.data.sets.folders import WholeFolder, names_after
from euinet.data.sets.parting import check_parts, parted_dataset
from euinet.data.tables.reading import read_table
from euinet.data.tables.table import Table, row_digests
from euinet.errors import DataError
from euinet.records import Dataset, LabelledImages
from euinet.system.class_names import check_new_classes
from euinet.system.notify import Notify, silent
from euinet.system.words import printable


def load_table(place: str | Path, labels: str | Path | None = None, notify: Notify = silent) -> Dataset:
    """Return a table's rows in their parts; without any a fifth of each class becomes the test.

    Rows with the same numbers are copies. Raises DataError for a table without labels, with numbers that are
    not finite, or with too few rows.
    """
    table = read_table(place, labels)
    rows, names = _labelled(table)
    if len(names) < 2:
        raise DataError(f"{table.path} has one class, '{printable(names[0])}': at least 2 are needed.")
    check_new_classes(names)
    parts = {part: rows.where(_of_part(table, part)) for part in PARTS if _of_part(table, part).any()}
    check_parts(
        table.path, {part: {names[k] for k in set(rows.labels.tolist())} for part, rows in parts.items()}
    )
    return parted_dataset(printable(table.path.name), names, parts, notify)


def whole_table(
    place: str | Path, class_names: Sequence[str], labels: str | Path | None = None
) -> WholeFolder:
    """Return all rows of a table, of whichever part; labels are places in `class_names`, others follow."""
    table = read_table(place, labels)
    rows, own = _labelled(table)
    names = names_after(class_names, own)
    places = np.array([names.index(name) for name in own], np.int64)
    return WholeFolder(replace(rows, labels=places[rows.labels]), names)


def unlabelled_table(place: str | Path) -> LabelledImages:
    """Return all rows of a table, under the label −1."""
    vectors = read_table(place).vectors()
    return LabelledImages(vectors, np.full(len(vectors), -1), row_digests(vectors))


def _labelled(table: Table) -> tuple[LabelledImages, tuple[str, ...]]:
    if not len(table):
        raise DataError(f"{table.path} has no rows: give embeddings of several classes.")
    if table.labels is None:
        raise DataError(
            f"{table.path} has no labels: give it a column label, or a file of one label a row by --labels."
        )
    found, numbers = table.labels.classes(read_numbers=True)
    vectors = table.vectors()
    # its parts are positions, so that a row is held once
    rows = cast(StoredArray, FeatureRows(vectors, np.arange(len(vectors))))
    return LabelledImages(rows, numbers.astype(np.int64), row_digests(vectors)), found


def _of_part(table: Table, part: str) -> np.ndarray:
    if table.parts is None:
        return np.full(len(table), part == PARTS[0])
    found: np.ndarray = table.parts == PARTS.index(part)
    return found
