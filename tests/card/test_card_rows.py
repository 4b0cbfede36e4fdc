"""The card of a model that reads embeddings: the same numbers, and nothing that needs a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from card_page import Page

from euinet.card.make import make_card
from euinet.errors import UsageError
from vectors import NAMES, WIDTH, vector_dataset, vector_trained


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """Rows that the model never saw, socks among them, which it does not know."""
    rows = vector_dataset(each=30, seed=5).train
    np.savez(tmp_path / "fresh.npz", features=rows.images, label=np.array(NAMES)[rows.labels])
    return tmp_path / "fresh.npz"


def test_its_numbers_are_the_models_and_no_change_is_tried(fresh: Path, tmp_path: Path) -> None:
    far = np.random.default_rng(3).normal(size=(40, WIDTH)).astype(np.float32)  # around 0, and not around 50
    np.save(tmp_path / "far.npy", far)
    out = tmp_path / "card.html"
    told = make_card(vector_trained(), str(fresh), (str(tmp_path / "far.npy"),), out, None, lambda _: None)

    rows = vector_dataset(each=30, seed=5).train
    known = rows.labels < 3
    answers = vector_trained().answer(rows.images)
    assert told["rejected"]["count"] == int(answers.rejected[known].sum())
    assert told["own_class"]["count"] == int((answers.best_classes == rows.labels)[known].sum())
    near, given = told["detections"]
    assert (near["kind"], near["name"]) == ("near", "held-out class sock")
    assert near["rejected"]["count"] == int(answers.rejected[~known].sum())
    assert (given["kind"], given["rejected"]["total"]) == ("given", 40)
    assert given["rejected"]["count"] == int(vector_trained().answer(far).rejected.sum())
    assert told["stress"] is None

    page = Page(out.read_text(encoding="utf-8"))
    assert not page.all("img")
    assert "changes" not in {section.get("id") for section in page.all("section")}
    assert "#changes" not in {link.get("href") for link in page.all("a")}
    assert "The model reads embeddings of images, so that none can be shown." in page.text
    assert f"an embedding of {WIDTH} numbers" in page.text
    assert "Of the benign changes tried" not in page.text


def test_labels_may_lie_in_a_file_and_noise_is_no_table(tmp_path: Path) -> None:
    rows = vector_dataset(each=30, seed=5).train
    np.save(tmp_path / "X.npy", rows.images)
    (tmp_path / "y.csv").write_text("label\n" + "\n".join(NAMES[k] for k in rows.labels))
    card = tmp_path / "card.html"

    def make(far: tuple[str, ...]) -> dict[str, object]:
        data, labels = str(tmp_path / "X.npy"), tmp_path / "y.csv"
        return make_card(vector_trained(), data, far, card, None, lambda _: None, labels=labels)

    assert make(())["classes"] == 3
    with pytest.raises(UsageError, match="The far set noise-uniform is no table of embeddings"):
        make(("noise-uniform",))
