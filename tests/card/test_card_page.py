"""The whole card from a tiny model: self-contained, safe against hostile names, whole or not at all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from card_page import Page

from euinet.card.groups import AnsweredGroup
from euinet.card.make import MOST_ROWS, make_card, render_page
from euinet.card.measured import measure
from euinet.card.stress import measure_stress
from euinet.data.split.holdout import hold_out_classes
from euinet.records import Dataset, Split
from euinet.trained.model import TrainedModel

FETCHING = {"src", "href", "srcset", "action", "data", "poster", "xlink:href"}
HOSTILE = ("</title><script>alert('x')</script>", "$x^{2", "名前", "W" * 60)


@pytest.fixture(autouse=True)
def quadrants(monkeypatch: pytest.MonkeyPatch, dataset: Dataset) -> None:
    """Every name of data is the quadrants."""
    monkeypatch.setattr("euinet.judging.reading.load_for_model", lambda *_, **__: dataset)
    monkeypatch.setattr("euinet.judging.material.DATASETS", ("quadrants",))


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("far") / "<i>stripes.npy"
    stripes = np.random.default_rng(0).integers(0, 256, (30, 1, 8), np.uint8).repeat(8, axis=1)
    np.save(path, stripes)
    return str(path)


@pytest.fixture(scope="module")
def card(
    tiny_model: TrainedModel, far: str, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Page, dict[str, Any]]:
    """The card of a model with α 0.2, and its numbers."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("euinet.judging.reading.load_for_model", lambda *_, **__: dataset)
        patched.setattr("euinet.judging.material.DATASETS", ("quadrants",))
        out = tmp_path_factory.mktemp("card") / "new" / "card.html"
        return made(tiny_model.with_alpha(0.2), out, far, "noise-uniform")


def made(model: TrainedModel, out: Path, *far: str) -> tuple[Page, dict[str, Any]]:
    plain = make_card(model, "quadrants", far, out, None, lambda _: None, limit=20)
    return Page(out.read_text(encoding="utf-8")), plain


def test_the_page_is_whole_and_fetches_nothing(card: tuple[Page, dict[str, Any]], far: str) -> None:
    page, plain = card
    assert page.open == []
    assert not {"script", "iframe", "object", "embed", "form"} & {tag for tag, _ in page.tags}
    addresses = [value or "" for _, attrs in page.tags for name, value in attrs.items() if name in FETCHING]
    assert len(addresses) > 21
    assert all(value.startswith(("data:", "#")) for value in addresses)
    assert not re.search(r"https?:|url\((?!#)|@import|//www", page.html)
    policy = next(meta for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy["content"] == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert len(page.all("style")) == 1
    assert "<i>" not in page.html
    assert " ".join(plain["verdict"].split()) in page.text
    names = [one["name"] for one in plain["detections"]]
    assert names == ["held-out class north-west", far, "noise-uniform", "noise-gaussian"]


def test_the_page_can_be_read_without_eyes(card: tuple[Page, dict[str, Any]]) -> None:
    page, _ = card
    assert all(image["alt"] for image in page.all("img"))
    drawings = page.all("svg")
    assert len(drawings) == 5
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in drawings)
    assert all("scope" in cell for cell in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))
    places = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(places) == len(set(places))
    targets = [(a["href"] or "")[1:] for tag, a in page.tags if tag in ("a", "use")]
    targets += re.findall(r"url\(#([^)]+)\)", page.html)
    assert targets
    assert set(targets) <= set(places)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_numbers_come_back_as_plain_values(
    card: tuple[Page, dict[str, Any]], tiny_model: TrainedModel, split: Split
) -> None:
    _, plain = card
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    known = split.test.labels >= 0
    answers = tiny_model.with_alpha(0.2).answer(split.test.images[known])
    assert plain["rejected"]["count"] == int(answers.rejected.sum())
    assert plain["rejected"]["total"] == 18
    assert plain["alpha"] == 0.2
    assert plain["stress"]["unchanged"]["rejected"]["total"] == 18
    assert {row["name"] for row in plain["known"]} == set(split.class_names)


def test_hostile_class_names_stay_text(
    dataset: Dataset, make_model: Callable[..., TrainedModel], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hostile = replace(dataset, name="mine & <b>yours</b>", class_names=HOSTILE)
    monkeypatch.setattr("euinet.judging.reading.load_for_model", lambda *_, **__: hostile)
    monkeypatch.setattr("euinet.judging.material.DATASETS", ("quadrants",))
    model = make_model(hold_out_classes(hostile, [3], validation_fraction=0.3))
    page, _ = made(model, tmp_path / "card.html")
    assert "<script" not in page.html
    assert "<b>" not in page.html
    assert "</title><script>alert('x')</script>" in page.text
    assert f"{'W' * 13}…{'W' * 26}" in page.text
    assert len(page.all("title")) == 1


def test_a_model_that_knows_every_class(
    dataset: Dataset, make_model: Callable[..., TrainedModel], tmp_path: Path
) -> None:
    model = make_model(hold_out_classes(dataset, [], validation_fraction=0.3))
    page, plain = made(model, tmp_path / "card.html")
    assert [one["kind"] for one in plain["detections"]] == ["noise", "noise"]
    assert "No class of this data set is unknown to the model" in page.text
    assert "Of held-out classes, but accepted" not in page.text
    assert "No promise is set" in page.text


def test_a_model_of_two_classes_without_calibration(
    dataset: Dataset, make_model: Callable[..., TrainedModel], tmp_path: Path
) -> None:
    model = make_model(hold_out_classes(dataset, [0, 3], validation_fraction=0.3))
    page, plain = made(replace(model, calibration=None), tmp_path / "card.html")
    assert plain["check"] is None
    assert plain["curve"]["basis"] == "test"
    assert "The model keeps no calibration scores" in page.text
    assert "there is no promise to check" in page.text
    assert "2 held-out classes" in page.text
    assert "p\u00a0=" not in page.html
    assert "score\u00a0" in page.html


def test_three_calibration_images_are_enough_for_a_card(
    tiny_model: TrainedModel, split: Split, tmp_path: Path
) -> None:
    page, plain = made(tiny_model.calibrate(split.calibration.images[:1], None), tmp_path / "card.html")
    assert plain["curve"]["points"] == []
    assert "There are too few images for a curve" in page.text


def test_of_two_hundred_classes_the_weakest_are_listed(
    make_judged: Callable[..., AnsweredGroup], tiny_model: TrainedModel
) -> None:
    names = tuple(f"class {number}" for number in range(200))
    labels = np.arange(400) % 200
    known = make_judged(labels, labels, np.where(np.arange(400) < 40, 1.0, -1.0), names=names)
    unknown = make_judged(
        -1 - labels, labels, np.ones(400), kind="near", name="held-out",
        names=names, unknown={-1 - k: f"unknown {k}" for k in range(200)},
    )  # fmt: skip
    stress = measure_stress(lambda _: known.answers, known.group, 0, lambda _: None)
    measured = measure(None, known, [unknown], stress)
    card = replace(tiny_model.card, class_names=names)
    page = Page(render_page(card, "many", measured, ()))
    assert "170 more classes are not listed; the weakest of them has 50.0 % accepted and right." in page.text
    assert "170 more are not listed; of each at least 100 % are rejected." in page.text
    assert page.text.count("unknown 1") <= MOST_ROWS
    assert "class 29 " in page.text
    assert "class 30 " not in page.text


def contrast(first: str, second: str) -> float:
    """WCAG 2's contrast of two colours #rrggbb, 1 … 21."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_all_colours_can_be_told_from_the_page() -> None:
    style = (files("euinet.card") / "templates" / "style.css").read_text(encoding="utf-8")
    themes = [
        dict(re.findall(r"--([\w-]+): (#\w{6})", block)) for block in re.findall(r":root \{([^}]*)\}", style)
    ]
    assert len(themes) == 3  # light, dark, print
    for theme in themes[:2]:
        for name in set(theme) - {"page", "line", "tint"}:
            assert contrast(theme[name], theme["page"]) >= 4.5, name
        for name in ("ink", "soft"):
            assert contrast(theme[name], theme["tint"]) >= 4.5, name
