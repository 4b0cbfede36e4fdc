"""A table's logits are a classifier's answers, one for each class; else they are asked back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from table_files import LABELS, ROWS, write_table

from euinet.data.tables.dataset import load_table
from euinet.data.tables.logits import with_logits
from euinet.errors import UsageError
from euinet.presets import get_preset


def with_width(place: Path, width: int) -> Path:
    np.savez(place, features=ROWS, logits=np.zeros((24, width), np.float32) + ROWS[:, :1], labels=LABELS)
    return place


def test_one_for_each_class_is_taken_as_it_is(tmp_path: Path) -> None:
    preset = get_preset("embeddings")
    place = with_width(tmp_path / "t.npz", 3)
    assert with_logits(preset, place, load_table(place), held_out=False).model.logits_given
    plain = write_table(tmp_path / "plain.npz")
    assert with_logits(preset, plain, load_table(plain), held_out=True) == preset


@pytest.mark.parametrize(
    ("width", "held_out", "sentence"),
    [
        (
            2,
            False,
            "end with 2 logits, but they must be one for each of the 3 classes, in the order of their",
        ),
        (4, True, "end with 4 logits, but they must be one for each of the 3 classes"),
        (3, True, "end with 3 logits, but no class can be held out of what a classifier was trained on"),
    ],
)
def test_others_are_one_sentence(width: int, held_out: bool, sentence: str, tmp_path: Path) -> None:
    place = with_width(tmp_path / "t.npz", width)
    with pytest.raises(UsageError, match=sentence):
        with_logits(get_preset("embeddings"), place, load_table(place), held_out=held_out)
