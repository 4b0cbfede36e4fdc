"""`record.safetensors` beside a model: written whole, and checked as hostile input when it is read.

Arrays of numbers and a JSON text; nothing in it is executed. The text names the network that the scores are
of: the record of another one, left behind by training anew in the same folder, is no record.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from euinet.errors import StorageError
from euinet.judging.record import KNOWN, UNKNOWN, Kind, RecordGroup, TestRecord
from euinet.model.check import read_header
from euinet.model.names import ONNX_SUFFIX
from euinet.system.class_names import MOST_CLASSES, check_class_names
from euinet.system.files import write_bytes
from euinet.system.notify import Notify, silent
from euinet.system.words import printable, quoted

RECORD_FILE = "record.safetensors"
RECORD_FORMAT = 1
MAX_RECORD_BYTES = 16 * 2**20
MOST_GROUPS = 256
_INTEGERS = {"I8": np.int8, "I16": np.int16, "I32": np.int32}
_SCORES, _BEST, _TRUE = "ood_score", "best_class", "true_class"


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=4096)
    kind: Kind
    images: int = Field(ge=0)
    available: int = Field(ge=0)


class _About(BaseModel):
    """The JSON text of the file."""

    model_config = ConfigDict(extra="forbid")

    format: int
    data: str = Field(max_length=4096)
    class_names: tuple[str, ...] = Field(min_length=2, max_length=MOST_CLASSES)
    groups: tuple[_Group, ...] = Field(min_length=1, max_length=MOST_GROUPS)
    model: str = Field(pattern="^[0-9a-f]{64}$")


def record_path(model: Path) -> Path:
    """Return where the test record of a model's folder, or of an exported file, stands."""
    is_file = model.suffix.lower() == ONNX_SUFFIX
    return model.with_suffix(f".{RECORD_FILE}") if is_file else model / RECORD_FILE


def save_record(record: TestRecord, path: Path) -> None:
    """Write a record to `path`, whole or not at all. Raises StorageError."""
    from safetensors.numpy import save

    integer = next(
        kind for kind in (np.int8, np.int16, np.int32) if len(record.class_names) <= np.iinfo(kind).max
    )
    about = {
        "format": RECORD_FORMAT,
        "data": record.data,
        "class_names": list(record.class_names),
        "groups": [asdict(group) for group in record.groups],
        "model": record.model,
    }
    tensors = {
        _SCORES: record.ood_score.astype(np.float32),
        _BEST: record.best_class.astype(integer),
        _TRUE: record.true_class.astype(integer),
    }
    write_bytes(path, save(tensors, {"about": json.dumps(about, allow_nan=False)}))


def load_record(path: Path, network: str, notify: Notify = silent) -> TestRecord | None:
    """Return the record in `path`; None when there is none, or only that of another model than `network`.

    The latter `notify` is told. Raises StorageError when the file is damaged or no record.
    """
    if not path.is_file():
        return None
    try:
        record = _read(path)
    except Exception as error:  # json, safetensors, numpy and pydantic each have their own kinds
        what = quoted(error)
        raise StorageError(
            f"The test record {path} is damaged or no record ({what}); make it anew with `euinet evaluate "
            "MODEL --data … --record`, or delete it."
        ) from error
    if record.model == network:
        return record
    notify(
        f"The test record {path} is of another model and is not used; make it anew with `euinet evaluate "
        "MODEL --data … --record`."
    )
    return None


def copy_record(path: Path, to: Path, network: str) -> bool:
    """Give a model that differs in its calibration alone the record in `path`, if it is of that `network`.

    Returns whether it did. Raises StorageError when the record is damaged or cannot be written.
    """
    record = None if path.resolve() == to.resolve() else load_record(path, network)
    if record is None:
        return False
    save_record(record, to)
    return True


def _read(path: Path) -> TestRecord:
    from safetensors.numpy import load_file

    if path.stat().st_size > MAX_RECORD_BYTES:
        raise ValueError(f"it is larger than {MAX_RECORD_BYTES} bytes")
    header = read_header(path)
    about = _About.model_validate_json(header.pop("__metadata__")["about"])
    if about.format != RECORD_FORMAT:
        raise ValueError(f"it has format {about.format}, this version of euinet reads {RECORD_FORMAT}")
    _check_names(about)
    count = sum(group.images for group in about.groups)
    _check_header(header, count)
    tensors = load_file(path)
    scores = tensors[_SCORES]
    best, true = tensors[_BEST].astype(np.int64), tensors[_TRUE].astype(np.int64)
    groups = tuple(RecordGroup(g.name, g.kind, g.images, g.available) for g in about.groups)
    record = TestRecord(about.data, about.class_names, groups, scores, best, true, about.model)
    _check_values(record)
    return record


def _check_names(about: _About) -> None:
    check_class_names(about.class_names)
    found, kinds = [group.name for group in about.groups], [group.kind for group in about.groups]
    if (found[0], kinds[0], kinds.count(KNOWN)) != (KNOWN, KNOWN, 1):
        raise ValueError("its first group, and no other, must be the known images")
    if len(set(found)) < len(found) or any(printable(name) != name for name in [*found, about.data]):
        raise ValueError("two groups have the same name, or one is not printable")
    if any(group.images > group.available for group in about.groups):
        raise ValueError("a group has more images than there were")


def _check_header(header: Mapping[str, Any], count: int) -> None:
    if set(header) != {_SCORES, _BEST, _TRUE}:
        raise ValueError("tensors are missing or too many")
    for name, entry in header.items():
        allowed = ("F32",) if name == _SCORES else tuple(_INTEGERS)
        if entry["dtype"] not in allowed:
            raise ValueError(f"the tensor {name} has the type {entry['dtype']!r:.20}")
        if entry["shape"] != [count]:
            raise ValueError(f"the tensor {name} has the shape {entry['shape']!r:.60}, not [{count}]")


def _check_values(record: TestRecord) -> None:
    classes = len(record.class_names)
    if not np.isfinite(record.ood_score).all():
        raise ValueError("a score is not a number, or infinite")
    for classes_of, least in ((record.best_class, 0), (record.true_class, UNKNOWN)):
        if len(record) and not least <= classes_of.min() <= classes_of.max() < classes:
            raise ValueError("it names classes that it lacks")
    known = np.zeros(len(record), np.bool_)
    known[record.of_group(KNOWN)] = True
    if (known != record.known).any():
        raise ValueError("an image's class and its group contradict each other")
