"""What a model is expected to catch, as it stands in its card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import euinet
from euinet.export.save import runtime_model, save_model
from euinet.model.check import checked_card
from euinet.model.expected import Expected
from euinet.model.model import Model
from euinet.page.facts import model_facts
from euinet.report.console import console_table
from vectors import vector_model, vector_trained

NAMES = ("coat", "hat", "shoe")
FOUND = Expected((0.01, 0.05, 0.1), (0, 2), ((0.1, 0.5, 0.6), (0.3, 0.7, 0.8)), (0.8, 0.9))


def with_estimate(found: Expected) -> Model:
    """The small world's model, with an estimate in its card."""
    trained = vector_trained()
    return runtime_model(replace(trained, card=replace(trained.card, expected=found)), "clouds")


def test_between_the_alphas_that_are_kept_it_is_interpolated() -> None:
    assert FOUND.caught_at(0.05) == pytest.approx(0.6)
    assert FOUND.by_class(0.03) == pytest.approx([0.3, 0.5])  # halfway from 0.01 to 0.05
    assert FOUND.caught_at(0.4) == pytest.approx(0.7)  # beyond the last: as there


def test_the_sentence_names_the_weakest_class_and_promises_nothing() -> None:
    assert FOUND.sentence(NAMES, 0.05) == (
        "Expected to catch 60 % of unknowns as near as your own classes are to each other at alpha 0.05 "
        "(weakest: coat, 50 %): estimated by leaving out 2 known classes in turn, not promised."
    )


def test_metrics_are_by_the_classes_names() -> None:
    found = FOUND.metrics(NAMES, 0.05)
    assert found["by_class"] == {"coat": 0.5, "shoe": 0.7}
    assert (found["caught"], found["auroc"], found["alpha"]) == (0.6, 0.85, 0.05)


@pytest.mark.parametrize(
    "changed",
    [
        {"caught": ((0.1, 0.5, 0.6),)},
        {"caught": ((0.1, 0.5), (0.3, 0.7))},
        {"caught": ((0.1, 0.5, 1.6), (0.3, 0.7, 0.8))},
        {"caught": ((0.1, float("nan"), 0.6), (0.3, 0.7, 0.8))},
        {"auroc": (0.8,)},
        {"alphas": (0.05, 0.01, 0.1)},
        {"alphas": (), "caught": ((), ())},
    ],
)
def test_what_cannot_be_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="estimate"):
        replace(FOUND, **changed)


def test_it_is_kept_with_the_model_and_at_another_alpha(tmp_path: Path) -> None:
    trained = vector_trained()
    saved = save_model(replace(trained, card=replace(trained.card, expected=FOUND)), tmp_path / "model")
    assert saved.card.expected == FOUND
    read = euinet.load(tmp_path / "model").with_alpha(0.05)
    assert read.card.expects(read.alpha) == FOUND.metrics(read.class_names, 0.05)
    assert trained.card.expects(0.05) is None
    assert saved.card.expects(None) is None


def test_a_class_that_the_model_has_not_makes_its_card_damaged() -> None:
    plain = replace(vector_trained().card, expected=FOUND).to_plain()
    assert checked_card(plain).expected == FOUND
    plain["expected"] = plain["expected"] | {"classes": [0, 3]}
    with pytest.raises(ValueError, match="an estimate of a class that is none of the 3"):
        checked_card(plain)


def test_a_range_of_one_distance_is_read_as_older_models_have_it() -> None:
    plain = vector_trained().card.to_plain()
    ranges = {key: plain["logit_range"][key] for key in ("gain", "shift", "disc_offset")}
    found = checked_card(plain | {"logit_range": ranges | {"distance_gain": 0.25}}).logit_range
    assert (found.distance_gain, found.distance_floor, found.distance_edge) == ((0.25,), (0.0,), (0.0,))


def test_the_page_gets_the_means_by_alpha_and_null_where_there_are_none() -> None:
    model = vector_model()
    assert model_facts(model, "clouds")["expected"] is None
    told = model_facts(with_estimate(FOUND), "clouds")["expected"]
    assert told == {"alphas": [0.01, 0.05, 0.1], "caught": [0.2, 0.6, 0.7], "classes": 2}


def test_the_last_lines_of_a_run_say_it_after_the_verdict() -> None:
    metrics: dict[str, Any] = {
        "data": "clouds",
        "held_out": [],
        "n_id": 5,
        "n_ood": 0,
        "id_accuracy": 0.8,
        "ood_accuracy": None,
        "closed_set_accuracy": 1.0,
        "near": {},
        "verdict": {"shortcomings": ["It is small."], "sentence": ""},
    }
    plain = console_table(metrics)
    assert plain.endswith("- It is small.")
    said = console_table(metrics | {"expected": FOUND.metrics(NAMES, 0.05)})
    assert said == f"{plain}\n\n{FOUND.sentence(NAMES, 0.05)}"
