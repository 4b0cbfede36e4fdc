"""Whatever a Python caller has for embeddings, row by row: a table's path, arrays, tensors, lists of numbers.

As `images/given.py` is for images.
"""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from euinet.data.tables.inputs import NOT_FINITE, find_rows
from euinet.data.tables.table import as_float32, finite_rows
from euinet.errors import DataError, UsageError
from euinet.images.given import as_array
from euinet.images.sources import Read


def read_rows(given: Any, width: int, *, keep_going: bool = False) -> Iterator[Read]:
    """Read embeddings one by one, float32 (width,).

    `given`: a path to a table, or an array, a tensor, a table of pandas or lists of numbers, (N, width) or
    one row (width,). With `keep_going` a row with NaN or infinite numbers is a Read with its error; else
    DataError is raised. Raises UsageError for rows of another width and for what are no numbers.
    """
    reads = _of_path(given, width) if isinstance(given, str | os.PathLike) else _of_array(given, width)
    for read in reads:
        if read.error is not None and not keep_going:
            raise DataError(read.error)
        yield read


def as_rows(given: Any) -> np.ndarray | None:
    """Return what may be rows of numbers as an array (N, F) of any kind; None where it may not.

    That is two axes, or a list of what has one. Raises UsageError for rows of different lengths.
    """
    axes = getattr(given, "ndim", None)
    if axes is None and isinstance(given, list | tuple) and given:
        first = given[0]
        if isinstance(first, list | tuple):
            axes = 2 if first and all(isinstance(value, int | float) for value in first) else None
        else:
            axes = 1 + getattr(first, "ndim", 9)
    return as_array(given) if axes == 2 else None


def _of_path(path: str | os.PathLike[str], width: int) -> Iterator[Read]:
    return find_rows([os.fspath(path)], width).read(None)  # type: ignore[arg-type]  # rows come as they are


def _of_array(given: Any, width: int) -> Iterator[Read]:
    rows = as_array(given)
    rows = rows[None] if rows.ndim == 1 and rows.size else rows
    if rows.dtype.kind not in "fiu" or (rows.size and (rows.ndim != 2 or rows.shape[1] != width)):
        raise UsageError(
            f"The embeddings are {str(rows.dtype)[:60]} of shape {rows.shape}, but the model reads rows of "
            f"{width:,} numbers: give an array (N, {width}), made by the network that made its training data."
        )
    if not rows.size:
        return
    vectors = as_float32(rows)
    for place, (row, good) in enumerate(zip(vectors, finite_rows(vectors).tolist(), strict=True)):
        name = f"embeddings[{place}]"
        yield Read(name, row) if good else Read(name, None, error=f"{name} {NOT_FINITE}")
