"""Which columns of a table are what, and what is asked back."""

from __future__ import annotations

from pathlib import Path

import pytest

from euinet.data.tables.columns import Columns, Kind, choose_columns
from euinet.errors import DataError

V, W, N, INT, T, A, OTHER = (
    Kind.vectors,
    Kind.whole_vectors,
    Kind.number,
    Kind.whole,
    Kind.text,
    Kind.any,
    Kind.other,
)
PLACE = Path("t.parquet")


def numbered(stem: str, numbers: range, kind: Kind = N) -> dict[str, Kind]:
    return {f"{stem}{number}": kind for number in numbers}


@pytest.mark.parametrize(
    ("kinds", "found"),
    [
        ({"features": V, "label": T}, Columns(("features",), "label")),
        ({"Embedding": V, "Class": INT, "Split": T}, Columns(("Embedding",), "Class", "Split")),
        ({"anything": V, "species": T}, Columns(("anything",), "species")),  # the only one of each kind
        ({"a": V, "features": V, "y": INT}, Columns(("features",), "y")),  # a name says which
        ({"features": V, "label": T, "fold": T, "path": T}, Columns(("features",), "label", "fold", "path")),
        ({"features": V, "id": T}, Columns(("features",), None, None, "id")),  # a name is no label
        ({"features": V, "color": T, "shape": T}, Columns(("features",))),  # which of the two, nobody said
        ({"label": INT, **numbered("f", range(3))}, Columns(("f0", "f1", "f2"), "label")),
        ({**numbered("", range(3)), "y": T}, Columns(("0", "1", "2"), "y")),
        ({**numbered("emb_", range(1, 4)), "y": T}, Columns(("emb_1", "emb_2", "emb_3"), "y")),
        ({"f10": N, **numbered("f", range(10))}, Columns(tuple(f"f{n}" for n in range(11)))),  # by number
        ({**numbered("f", range(2), A), "label": A}, Columns(("f0", "f1"), "label")),
        ({"features": V, "logits": V, "y": T}, Columns(("features", "logits"), "y", logits=1)),
        ({"logits": V, "y": T}, Columns(("logits",), "y", logits=1)),  # alone
        (
            {**numbered("f", range(2)), **numbered("logit_", range(3))},
            Columns(("f0", "f1", "logit_0", "logit_1", "logit_2"), logits=3),
        ),
        ({"features": W, "label": INT}, Columns(("features",), "label")),  # said to be no pixels
        ({"features": V, "label": T, "taken": OTHER}, Columns(("features",), "label")),  # such as a date
    ],
)
def test_columns_are_known_by_name_and_kind(kinds: dict[str, Kind], found: Columns) -> None:
    assert choose_columns(PLACE, kinds) == found


@pytest.mark.parametrize(
    ("kinds", "sentence"),
    [
        ({"label": T}, "t.parquet has the columns 'label' (text), but no embeddings: call a column"),
        ({}, "t.parquet has no columns, but no embeddings"),
        ({"a": V, "b": V}, "t.parquet may have its embeddings in a or in b: call a column of vectors"),
        ({"a": V, **numbered("f", range(3))}, "may have its embeddings in a or in f0 … f2"),
        ({"f0": N, "f1": N, "f3": N}, "has the numbered columns f0 … f3, but lacks f2: number them"),
        ({"x": W, "y": INT}, "'x' of t.parquet holds rows of whole numbers, which may be pixels: call it"),
    ],
)
def test_what_cannot_be_known_is_one_sentence(kinds: dict[str, Kind], sentence: str) -> None:
    with pytest.raises(DataError) as caught:
        choose_columns(PLACE, kinds)
    assert sentence in str(caught.value)
    assert str(caught.value).count(". ") == 0


def test_thousands_of_columns_are_not_all_listed() -> None:
    with pytest.raises(DataError) as caught:
        choose_columns(PLACE, {f"column {n} of many": T for n in range(5000)})
    assert len(str(caught.value)) < 600
    assert "(5000 in all)" in str(caught.value)
