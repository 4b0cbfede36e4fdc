"""Whatever may be trained as a class can be kept, read back and shown; the rest is refused before."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from euinet.errors import DataError
from euinet.judging.record import KNOWN, RecordGroup, TestRecord
from euinet.judging.record_store import load_record, save_record
from euinet.model.card import LogitRange, ModelCard
from euinet.model.decision_file import Description, read_description
from euinet.predict.rows import as_csv, as_table
from euinet.presets import get_preset
from euinet.records import Dataset, LabelledImages
from euinet.system.class_names import check_new_classes
from euinet.system.words import printable

NOTHING = LabelledImages(np.empty((0, 1, 8, 8), np.uint8), np.empty(0, np.int64))
ODD = [
    "\u00a0",
    "\u3000",
    "\u202f",
    "\u200d",
    "\u200c",
    "\u00ad",
    "\n",
    "\x1b[2J",
    "\u2028",
    "\u202e",
    "\ud800",
]
ODD += [
    "\ue000",
    "\u0301",
    "\uffff",
    "é",
    "e\u0301",
    " ",
    "none of these",
    "a",
    "A",
    "/",
    "\x00",
    "\ufeff",
    "😀",
]
names = st.lists(
    st.one_of(st.text(max_size=4), st.lists(st.sampled_from(ODD), max_size=5).map("".join)),
    min_size=2,
    max_size=5,
)


@settings(max_examples=500, deadline=None)
@given(names)
def test_what_can_be_trained_can_be_kept_read_back_and_shown(names: list[str]) -> None:
    refused = ""
    try:
        Dataset("x", tuple(names), NOTHING, NOTHING)
    except DataError as error:
        refused = str(error)
    if refused:
        assert refused == printable(refused)
        assert "rename" in refused
        return
    card = ModelCard(
        *("x", tuple(names), tuple(range(len(names))), (), 1, 8, 0),
        LogitRange((1.0,) * len(names), (0.0,) * len(names)),
        get_preset("default"),
        {},
    )
    text = Description(card, "0" * 64).to_json().encode("utf-8").decode("utf-8")
    assert read_description(text).card == card
    assert [printable(name) for name in names] == names
    rows = [
        {"path": "x.png", "label": name, "rejected": False, "best_class": name, "ood_score": 0.0}
        | {"p_value": 1.0, "reject_probability": 0.0, "probabilities": dict.fromkeys(names, 0.0)}
        for name in names
    ]
    (header, *_) = csv.reader(io.StringIO(as_csv(rows, names), newline=""))
    assert [column for column in header if column.startswith("p(")] == [f"p({name})" for name in names]
    assert len(as_table(rows).split("\n")) == 1 + len(names)
    assert json.loads(json.dumps(rows)) == rows


def test_a_record_of_odd_names_is_read_back(tmp_path: Path) -> None:
    names = ("a\u00a0b", "c\u3000d", "می\u200cخواهم", "👨\u200d👩", "\ue000", "x" * 200)
    check_new_classes(names)
    numbers = np.arange(6)
    record = TestRecord(
        "x", names, (RecordGroup(KNOWN, "known", 6, 6),), np.zeros(6, np.float32), numbers, numbers, "0" * 64
    )
    save_record(record, tmp_path / "record.safetensors")
    found = load_record(tmp_path / "record.safetensors", "0" * 64)
    assert found is not None
    assert replace(found).class_names == names


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "has no name that can be seen"),
        ("\u3000", "has no name that can be seen"),
        ("\u200d \u200c", "has no name that can be seen"),
        ("\u3164", "has no name that can be seen"),
        ("\u2800 \u115f", "has no name that can be seen"),
        ("é\ufe0f", "look the same"),
        ("é\u034f", "look the same"),
        ("x" * 201, "has a name of more than 200 characters"),
        ("a\nb", r"'a\\nb' has a sign in its name that is not printable, \\n"),
        ("a\u00adb", r"not printable, \\xad"),
        ("a\u202eb", r"not printable, \\u202e"),
        ("a\u2028b", r"not printable, \\u2028"),
        ("caf\udce9", r"not printable, \\udce9"),
        ("\x1b[2J", r"not printable, \\x1b"),
        ("None of these", "is called what is said of an image of no class"),
        ("e\u0301", r"The classes '\\xe9' and 'e\\u0301' look the same"),
        ("é ", r"The classes '\\xe9' and '\\xe9 ' look the same"),
        ("é\u200d", r"'\\xe9' and '\\xe9\\u200d' look the same"),
        ("é", "Two classes have the same name"),
    ],
)
def test_what_cannot_be_a_class_is_named_with_the_remedy(name: str, says: str) -> None:
    with pytest.raises(DataError, match=says) as refused:
        Dataset("x", ("é", name, "other"), NOTHING, NOTHING)
    assert "rename" in str(refused.value)
    assert str(refused.value).isprintable()


def test_letters_of_both_cases_are_classes() -> None:
    check_new_classes(("a", "A", "T-shirt/top", "../up", "con", "known", "=1"))
