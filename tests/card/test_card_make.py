"""Which images are judged, what is refused before minutes are spent, and the file whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from euinet.card.facts import all_facts
from euinet.card.gather import gather
from euinet.card.groups import AnsweredGroup
from euinet.card.make import make_card
from euinet.card.measured import measure
from euinet.card.stress import measure_stress
from euinet.errors import StorageError, UsageError
from euinet.model.seen import SeenImages
from euinet.records import Dataset
from euinet.trained.model import TrainedModel


@pytest.fixture(autouse=True)
def quadrants(monkeypatch: pytest.MonkeyPatch, dataset: Dataset) -> None:
    """Every name of data is the quadrants."""
    monkeypatch.setattr("euinet.judging.reading.load_for_model", lambda *_, **__: dataset)
    monkeypatch.setattr("euinet.judging.material.DATASETS", ("quadrants",))


def test_known_images_are_capped_and_it_is_said(tiny_model: TrainedModel, tmp_path: Path) -> None:
    said: list[str] = []
    make_card(tiny_model, "quadrants", (), tmp_path / "card.html", None, said.append, limit=2)
    assert "Scoring 10 images: known classes …" in said
    assert "10 of 18" in (tmp_path / "card.html").read_text(encoding="utf-8")


def test_wrong_arguments_cost_no_minutes(
    tiny_model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainedModel, "answer", lambda *_: pytest.fail("something was scored"))
    with pytest.raises(UsageError, match="is a folder: give the name of a file"):
        make_card(tiny_model, "quadrants", (), tmp_path, None, print)
    with pytest.raises(UsageError, match="limit is 0"):
        make_card(tiny_model, "quadrants", (), tmp_path / "card.html", None, print, limit=0)
    with pytest.raises(UsageError, match="There is no far set"):
        make_card(tiny_model, "quadrants", ("no-such-set",), tmp_path / "card.html", None, print)


def test_a_page_that_cannot_be_written_leaves_the_old_one(
    tiny_model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "card.html"
    out.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("euinet.card.make.render_page", lambda *_: "new")
    monkeypatch.setattr("euinet.system.files.os.fsync", full)
    with pytest.raises(StorageError, match="No space is left"):
        make_card(tiny_model, "quadrants", (), out, None, lambda _: None, limit=5)
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_facts_tell_whether_the_data_are_those_of_training(
    tiny_model: TrainedModel, make_judged: Callable[..., AnsweredGroup]
) -> None:
    gathered = gather(replace(tiny_model, seen=None), "quadrants", (), None, lambda _: None, 5, 0)
    known = make_judged([0], [0], [-1.0])
    stress = measure_stress(lambda _: known.answers, known.group, 0, lambda _: None)
    measured = measure(None, known, [], stress)

    def same(recorded: str | None) -> str:
        model = replace(tiny_model, card=replace(tiny_model.card, data_fingerprint=recorded))
        data = all_facts(model, gathered, measured, 5, 0)[2]
        return dict(data.rows)["same as it was trained on"]

    assert same(None).startswith("not recorded")
    assert same(gathered.fingerprint).startswith("yes")
    assert same("0123456789abcdef").startswith("no:")
    assert same("0123456789abcdef").endswith("is not known")
    tiny_model = replace(tiny_model, seen=SeenImages(np.arange(5, dtype=np.uint64)))
    assert same("0123456789abcdef").endswith("none of these images was trained on, by their pixels")
