"""Which cells a benchmark has."""

from __future__ import annotations

import numpy as np
import pytest

from euinet.benchmark.plan import SIX_FOUR_KNOWN, Cell, parse_hold_out, plan_cells, pseudo_unknown
from euinet.errors import DataError, UsageError
from euinet.presets import Preset, get_preset
from euinet.records import Dataset, LabelledImages


def small_dataset(names: tuple[str, ...], images_a_class: int = 40) -> Dataset:
    labels = np.arange(len(names) * images_a_class) % len(names)
    generator = np.random.default_rng(0)
    train, test = (
        LabelledImages(generator.integers(0, 256, (len(labels), 1, 4, 4), np.uint8), labels) for _ in range(2)
    )
    return Dataset("small", names, train, test)


TEN = small_dataset(tuple("0123456789"))


@pytest.fixture
def preset() -> Preset:
    return get_preset("report")


def test_a_comma_holds_classes_out_together_and_a_semicolon_parts_splits() -> None:
    assert parse_hold_out("each", TEN) == tuple((number,) for number in range(10))
    assert parse_hold_out("9, 4", TEN) == ((4, 9),)
    assert parse_hold_out("4;9", TEN) == ((4,), (9,))
    assert parse_hold_out("4,9;0", TEN) == ((4, 9), (0,))


def test_classes_by_name() -> None:
    dataset = small_dataset(("cat", "dog", "eel", "fox"))
    assert parse_hold_out("eel;cat,fox", dataset) == ((2,), (0, 3))


def test_six_four_leaves_the_literatures_six_digits_known() -> None:
    splits = parse_hold_out("six-four", TEN)
    assert splits[0] == (0, 1, 6, 7)  # known: 2 4 5 9 8 3
    assert splits[3] == (1, 2, 6, 9)  # known: 3 7 8 4 0 5
    for held_out, known in zip(splits, SIX_FOUR_KNOWN, strict=True):
        assert sorted(held_out + known) == list(range(10))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("4;11", "There is no class '11'"),
        ("4;;9", "a split without a class"),
        ("", "a split without a class"),
        ("4;9;4", "names the split '4' twice"),
        ("4,9;9,4", "names the split '9,4' twice"),
        ("0,1,2,3,4,5,6,7,8", "at least 2 must stay known"),
    ],
)
def test_a_wrong_split_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_hold_out(text, TEN)


def test_six_four_needs_ten_classes() -> None:
    with pytest.raises(UsageError, match="made for 10 classes, but small has 4"):
        parse_hold_out("six-four", small_dataset(("a", "b", "c", "d")))


def test_every_split_comes_once_a_seed_before_the_next_seed(preset: Preset) -> None:
    cells = plan_cells("mnist", TEN, "4;9", 2, preset)
    assert [cell.id for cell in cells] == [
        "without-4_seed-0",
        "without-9_seed-0",
        "without-4_seed-1",
        "without-9_seed-1",
    ]
    assert cells[3] == Cell("mnist", (9,), 1, preset)


def test_the_pseudo_unknown_is_the_next_known_class_after_the_held_out_ones() -> None:
    assert pseudo_unknown((0,), (1, 2, 3)) == 1
    assert pseudo_unknown((3,), (0, 1, 2)) == 0
    assert pseudo_unknown((1, 2), (0, 3)) == 3
    assert pseudo_unknown((1, 3), (0, 2)) == 0


def test_pseudo_unknowns_are_in_the_cells_and_their_names(preset: Preset) -> None:
    cells = plan_cells("mnist", TEN, "4;9", 1, preset, pseudo=True)
    assert [(cell.id, cell.pseudo) for cell in cells] == [
        ("without-4_pseudo-5_seed-0", 5),
        ("without-9_pseudo-0_seed-0", 0),
    ]
    with pytest.raises(UsageError, match="a pseudo-unknown needs at least 3"):
        plan_cells("small", small_dataset(("a", "b", "c")), "a", 1, preset, pseudo=True)


def test_no_seed_and_too_few_images_are_refused_before_anything_is_trained(preset: Preset) -> None:
    with pytest.raises(UsageError, match="--seeds is 0"):
        plan_cells("mnist", TEN, "each", 0, preset)
    with pytest.raises(DataError):
        plan_cells("small", small_dataset(("a", "b", "c", "d"), images_a_class=1), "each", 1, preset)


def test_a_cells_folder_has_a_name_that_file_systems_allow(preset: Preset) -> None:
    many = Cell("big", tuple(range(500)), 0, preset)
    others = Cell("big", tuple(range(1, 501)), 0, preset)
    assert len(many.id) < 200
    assert many.id.startswith("without-500-classes-")
    assert many.id != others.id
