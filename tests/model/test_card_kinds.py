"""The three kinds of model that a card can be of, and what contradicts itself in a file."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from backbones import SIDE, toy_backbone
from euinet.errors import UsageError
from euinet.images.preprocessing import Preprocessing
from euinet.model.card import ModelCard
from euinet.model.check import checked_card
from vectors import WIDTH, vector_model

ROWS = vector_model().card
PIXELS = replace(ROWS, channels=1, image_size=28, width=0)
BACKED = replace(
    ROWS,
    channels=3,
    image_size=SIDE,
    backbone=toy_backbone().card,
    resize=10,
    interpolation="bicubic",
    draft=True,
)
KINDS = pytest.mark.parametrize("card", [PIXELS, BACKED, ROWS], ids=["pixels", "backbone", "rows"])


def plain(card: ModelCard) -> dict[str, Any]:
    """The card as it stands in a file."""
    found: dict[str, Any] = json.loads(json.dumps(card.to_plain()))
    return found


@KINDS
def test_each_kind_comes_out_of_its_file_as_it_went_in(card: ModelCard) -> None:
    assert checked_card(plain(card)) == card


def test_what_goes_in_and_what_euinet_reads() -> None:
    assert (PIXELS.reads_images, PIXELS.input_shape, PIXELS.network_shape) == (True, (1, 28, 28), (1, 28, 28))
    assert (BACKED.reads_images, BACKED.input_shape, BACKED.network_shape) == (True, (3, 8, 8), (WIDTH,))
    assert (ROWS.reads_images, ROWS.input_shape, ROWS.network_shape) == (False, (WIDTH,), (WIDTH,))
    assert BACKED.preprocessing == Preprocessing(3, SIDE, 10, "bicubic", True)
    assert BACKED.of_embeddings() == ROWS
    with pytest.raises(UsageError, match=rf"reads embeddings, rows of {WIDTH} numbers, and no images: give"):
        _ = ROWS.preprocessing
    assert ROWS.to_plain()["preprocessing"] == {
        "embedding": f"float32, {WIDTH} numbers a row, in the units of the training data"
    }


ALONE = "has a width, and neither an image size nor a backbone"
TOGETHER = "a backbone and the width of its embeddings go together"


@pytest.mark.parametrize(
    ("card", "changes", "why"),
    [
        (ROWS, {"image_size": 28}, ALONE),
        (ROWS, {"width": 0}, ALONE),
        (ROWS, {"backbone": plain(BACKED)["backbone"]}, ALONE),
        (ROWS, {"resize": 32}, "resizes no images"),
        (ROWS, {"draft": True}, "resizes no images"),
        (ROWS, {"interpolation": "bicubic"}, "resizes no images"),
        (ROWS, {"width": -1}, "greater than or equal to 0"),
        (ROWS, {"width": 2**17 + 1}, "less than or equal to 131072"),
        (ROWS, {"preprocessing": plain(PIXELS)["preprocessing"]}, "contradicts the model"),
        (BACKED, {"backbone": None}, TOGETHER),
        (BACKED, {"width": 0}, TOGETHER),
        (PIXELS, {"width": 5}, TOGETHER),
        (PIXELS, {"image_size": 3}, "images of 3 pixels a side"),
        (PIXELS, {"channels": 2}, "channels"),
        (PIXELS, {"preprocessing": plain(ROWS)["preprocessing"]}, "contradicts the model"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(
    card: ModelCard, changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        checked_card(plain(card) | changes)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"digest": "0" * 63}, "digest"),
        ({"digest": "G" * 64}, "digest"),
        ({"name": "toy\x1b[2J"}, "no printable text"),
        ({"weights": "a\nb"}, "no printable text"),
        ({"name": "x" * 201}, "at most 200"),
        ({"finetuned_epochs": -1}, "greater than or equal to 0"),
        ({"more": 1}, "more"),
    ],
)
def test_a_backbone_s_description_is_checked(changes: dict[str, Any], why: str) -> None:
    card = plain(BACKED)
    card["backbone"] |= changes
    with pytest.raises(ValueError, match=why):
        checked_card(card)


def test_another_operating_point_of_a_model_of_rows_drops_its_measures() -> None:
    measured = replace(ROWS, metrics={"auroc": 0.9, "alpha": 0.1, "far": {"noise": {"threshold": 1, "n": 2}}})
    assert measured.recalibrated().metrics == {"auroc": 0.9, "far": {"noise": {"n": 2}}}
