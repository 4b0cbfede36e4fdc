"""Which columns of a Parquet file hold images, labels and parts of the data; found by name and kind."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from euinet.errors import DataError
from euinet.system.extras import pyarrow_for
from euinet.system.words import printable

IMAGES = ("bytes", "image", "images", "img", "picture", "jpg", "jpeg", "png", "webp")
LABELS = ("label", "labels", "class", "target", "category", "y")
SPLITS = ("split", "part")
PATHS = ("path", "file", "filename", "file_name")
_SHOWN = 400  # characters of a file's columns in a sentence


@dataclass(frozen=True)
class Columns:
    """The names of a file's columns; INNER of OUTER is OUTER.INNER, as in Hugging Face's image.bytes."""

    image: str
    label: str
    split: str | None
    path: str | None
    class_names: tuple[str, ...]  # that the file has for its numbers; none: numbers are names

    @property
    def cells(self) -> tuple[str, ...]:
        """The columns of an image's content and, where there is one, of its path."""
        return (self.image,) if self.path is None else (self.image, self.path)


def find_columns(path: Path, schema: Any) -> Columns:
    """Return the columns of a schema of pyarrow's. Raises DataError where one is missing or of no use."""
    label = _named(schema, LABELS)
    if label is None:
        raise DataError(
            f"{path} has the columns {_listed(schema)}, but none of labels: call it label or class."
        )
    if not _is_label(schema.field(label).type):
        raise DataError(
            f"The column '{label}' of {path} is of {schema.field(label).type}, but labels must be text or "
            "whole numbers: write it as one of these."
        )
    split = _named(schema, SPLITS)
    if split is not None and not _is_text(schema.field(split).type):
        raise DataError(
            f"The column '{split}' of {path} is of {schema.field(split).type}, but must be text, train, "
            "validation or test: write it so, or take it out."
        )
    image = _image(path, schema)
    outer = image.partition(".")[0]
    inner_path = f"{outer}.path"
    path_column = next(
        (name for name in (_named(schema, PATHS),) if name and _is_text(schema.field(name).type)), None
    )
    if path_column is None and image != outer and _has_text(schema.field(outer).type, "path"):
        path_column = inner_path
    return Columns(image, label, split, path_column, _class_names(schema, label))


def _image(path: Path, schema: Any) -> str:
    held = {field.name: column for field in schema if (column := _content(field)) is not None}
    named = next((held[field] for name in IMAGES for field in held if field.casefold() == name), None)
    if named is not None:
        return named
    if len(held) == 1:
        return next(iter(held.values()))
    what = "none of them holds" if not held else f"{' and '.join(held)} may each hold"
    raise DataError(
        f"{path} has the columns {_listed(schema)}, but {what} the content of image files: call a binary "
        "column image or bytes."
    )


def _content(field: Any) -> str | None:
    """Return the column of image files' content that a field is or holds."""
    arrow, _ = pyarrow_for("Reading Parquet")
    if _is_binary(field.type):
        return str(field.name)
    if arrow.types.is_struct(field.type):
        place = field.type.get_field_index("bytes")
        if place >= 0 and _is_binary(field.type.field(place).type):
            return f"{field.name}.bytes"
    return None


def _class_names(schema: Any, label: str) -> tuple[str, ...]:
    """Return the names that Hugging Face's description of a file has for the numbers of a column."""
    try:
        told = json.loads((schema.metadata or {})[b"huggingface"])
        names = told["info"]["features"][label]["names"]
    except (KeyError, ValueError, TypeError):
        return ()
    good = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return tuple(names) if good else ()


def _named(schema: Any, names: Sequence[str]) -> str | None:
    return next((str(found) for name in names for found in schema.names if found.casefold() == name), None)


def _is_binary(kind: Any) -> bool:
    return str(kind) in ("binary", "large_binary")


def _is_text(kind: Any) -> bool:
    value = getattr(kind, "value_type", kind) if str(kind).startswith("dictionary") else kind
    return str(value) in ("string", "large_string")


def _has_text(kind: Any, name: str) -> bool:
    place = kind.get_field_index(name)
    return place >= 0 and _is_text(kind.field(place).type)


def _is_label(kind: Any) -> bool:
    arrow, _ = pyarrow_for("Reading Parquet")
    value = kind.value_type if arrow.types.is_dictionary(kind) else kind
    return _is_text(kind) or bool(arrow.types.is_integer(value) or arrow.types.is_boolean(value))


def _listed(schema: Any) -> str:
    return printable(", ".join(f"'{field.name}' ({field.type})" for field in schema)[:_SHOWN])
