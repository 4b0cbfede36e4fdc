"""Which columns of a table hold embeddings, labels, parts of the data and names of rows; by name and kind.

The same for a Parquet file's columns, a CSV file's and the arrays of a .npz file.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from euinet.data.embedded.parquet_columns import LABELS
from euinet.errors import DataError
from euinet.system.words import printable

TOLD = ("features", "feature", "embeddings", "embedding", "emb", "vectors", "vector")  # surely no pixels
FEATURES = (*TOLD, "x")
LOGITS = ("logits", "logit")
SPLITS = ("split", "part", "set", "fold", "subset")
NAMES = ("path", "file", "filename", "file_name", "name", "id")
_NUMBERED = re.compile(r"(.*?)(\d+)", re.DOTALL)
_FEWEST_NUMBERED = 2
_SHOWN = 400  # characters of a table's columns in a sentence


class Kind(StrEnum):
    """What stands in a column."""

    vectors = "vectors"  # of fractions
    whole_vectors = "vectors of whole numbers"
    number = "number"
    whole = "whole number"
    text = "text"
    any = "text or number"  # of CSV
    other = "other"


_SCALARS = (Kind.number, Kind.whole, Kind.any)
_VECTORS = (Kind.vectors, Kind.whole_vectors)


@dataclass(frozen=True)
class Columns:
    """The names of a table's columns. An embedding is what stands in `vectors`, one after another."""

    vectors: tuple[str, ...]  # columns of vectors, or of one number each
    label: str | None = None
    split: str | None = None
    name: str | None = None  # of a row
    logits: int | None = None  # how many of `vectors`, the last, are logits; None: none

    @property
    def beside(self) -> tuple[str, ...]:
        """All columns but the embeddings'."""
        return tuple(name for name in (self.label, self.split, self.name) if name is not None)


def choose_columns(place: Path, kinds: Mapping[str, Kind]) -> Columns:
    """Return which columns are what.

    Embeddings are a column of vectors or numbered columns (f0, f1, …); logits of that name come after them,
    or are alone. The label's column has a name of LABELS, or is the only other one of text or whole numbers.
    Raises DataError, one sentence, where it cannot be known.
    """
    embedded = _embeddings(place, kinds)
    logits = _logits(place, kinds, embedded)
    vectors = (*embedded, *logits)
    if not vectors:
        raise DataError(
            f"{place} has {listed(kinds)}, but no embeddings: call a column of vectors features, or number "
            "columns, f0, f1 and so on."
        )
    _check_meant(place, kinds, vectors)
    taken = set(vectors)
    split = _named({n: k for n, k in kinds.items() if n not in taken and _is_text(k)}, SPLITS)
    label = _label({name: k for name, k in kinds.items() if name not in taken | {split}})
    left = {name: k for name, k in kinds.items() if name not in taken | {split, label} and _is_text(k)}
    return Columns(vectors, label, split, _named(left, NAMES), len(logits) or None)


def listed(kinds: Mapping[str, Kind]) -> str:
    """Return a table's columns in words."""
    if not kinds:
        return "no columns"
    names = ", ".join(f"'{name}' ({kind})" for name, kind in kinds.items())
    names = names if len(names) <= _SHOWN else f"{names[:_SHOWN]} … ({len(kinds)} in all)"
    return printable(f"the columns {names}")


def _embeddings(place: Path, kinds: Mapping[str, Kind]) -> tuple[str, ...]:
    """Return the column of vectors, or the numbered columns; none where there are none."""
    vectors = {name: kind for name, kind in kinds.items() if kind in _VECTORS and not _is_logits(name)}
    named = _named(vectors, FEATURES)
    if named is not None:
        return (named,)
    groups = {stem: names for stem, names in _groups(kinds).items() if not _is_logits(stem)}
    found = [*((name,) for name in vectors), *_without_gaps(groups).values()]
    if groups and not found:
        raise _gap(place, groups)
    if len(found) > 1:
        shown = [group[0] if len(group) == 1 else f"{group[0]} … {group[-1]}" for group in found]
        raise DataError(
            f"{place} may have its embeddings in {printable(' or in '.join(shown))[:_SHOWN]}: call a column "
            "of vectors features, or take the other columns out."
        )
    return found[0] if found else ()


def _logits(place: Path, kinds: Mapping[str, Kind], embedded: Sequence[str]) -> tuple[str, ...]:
    vectors = {name: kind for name, kind in kinds.items() if kind in _VECTORS and name not in embedded}
    named = _named(vectors, LOGITS)
    if named is not None:
        return (named,)
    groups = _groups({name: kind for name, kind in kinds.items() if name not in embedded})
    return next((names for stem, names in _without_gaps(groups).items() if _is_logits(stem)), ())


def _groups(kinds: Mapping[str, Kind]) -> dict[str, dict[int, str]]:
    """Return numbered columns of single numbers by what stands before the number: from 0 or 1 on."""
    stems: dict[str, dict[int, str]] = {}
    for name, kind in kinds.items():
        found = _NUMBERED.fullmatch(name)
        if found and kind in _SCALARS:
            stems.setdefault(found[1], {}).setdefault(int(found[2]), name)
    return {
        stem: dict(sorted(names.items()))
        for stem, names in stems.items()
        if len(names) >= _FEWEST_NUMBERED and min(names) <= 1
    }


def _without_gaps(groups: Mapping[str, Mapping[int, str]]) -> dict[str, tuple[str, ...]]:
    return {
        stem: tuple(names.values()) for stem, names in groups.items() if max(names) - min(names) < len(names)
    }


def _gap(place: Path, groups: Mapping[str, Mapping[int, str]]) -> DataError:
    """Return the error for numbered columns of which some are missing."""
    stem, names = max(groups.items(), key=lambda item: len(item[1]))
    first = min(names)
    missing = next(number for number in itertools.count(first) if number not in names)
    shown = f"{names[first]} … {names[max(names)]}, but lacks {stem}{missing}"
    return DataError(f"{place} has the numbered columns {printable(shown)}: number them without gaps.")


def _check_meant(place: Path, kinds: Mapping[str, Kind], vectors: Sequence[str]) -> None:
    """Raise DataError where vectors are whole numbers, which may be pixels, and nobody said embeddings."""
    for name in vectors:
        if kinds[name] is Kind.whole_vectors and name.casefold() not in (*TOLD, *LOGITS):
            raise DataError(
                f"'{printable(name)}' of {place} holds rows of whole numbers, which may be pixels: call it "
                "features if they are embeddings, or give images as (N, H, W)."
            )


def _label(kinds: Mapping[str, Kind]) -> str | None:
    named = _named(kinds, LABELS)
    if named is not None:
        return named
    others = [
        name
        for name, kind in kinds.items()
        if kind in (Kind.text, Kind.whole, Kind.any) and name.casefold() not in NAMES
    ]
    return others[0] if len(others) == 1 else None


def _named(kinds: Mapping[str, Kind], names: Sequence[str]) -> str | None:
    return next((found for name in names for found in kinds if found.casefold() == name), None)


def _is_text(kind: Kind) -> bool:
    return kind in (Kind.text, Kind.any)


def _is_logits(name: str) -> bool:
    return name.casefold().rstrip("_-. ") in LOGITS
