"""Labels in a file of their own, one for each row of a table: .npy, .csv, or any text with one a line."""

from pathlib import Path

from euinet.data.embedded.labels import LabelColumn
from euinet.data.embedded.parquet_columns import LABELS
from euinet.data.tables.csv_files import cells, header
from euinet.data.tables.labelled import label_column, plain_values
from euinet.data.tables.numpy_files import whole_array
from euinet.errors import DataError, UsageError
from euinet.system.files import is_file
from euinet.system.words import printable


def read_labels(path: Path) -> LabelColumn:
    """Return labels from a file; of a .csv with a header its label column, by a name of LABELS.

    Raises UsageError where there is no file, DataError for one that is damaged or holds no labels.
    """
    if not is_file(path):
        raise UsageError(f"There is no file of labels {path}: give a .csv, .txt or .npy file.")
    suffix = path.suffix.lower()
    if suffix == ".npy":
        array = whole_array(path)
        if array.ndim != 1:
            raise DataError(f"{path} has the shape {array.shape}, but labels are one a row: (N,).")
        return label_column(str(path), plain_values(str(path), array))
    if suffix == ".csv":
        head = [name.casefold() for name in header(path)]
        named = next((name for name in LABELS if name in head), None)
        if named is not None:
            return label_column(str(path), cells(path, head.index(named)))
        if len(head) > 1:
            columns = printable(", ".join(head))[:200]
            raise DataError(f"{path} has the columns {columns}, but none of labels: call it label.")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        raise DataError(f"The labels in {path} cannot be read ({error}): give a text file.") from error
    while lines and not lines[-1].strip():
        lines.pop()
    return label_column(str(path), [line.strip('"\t ') for line in lines])
