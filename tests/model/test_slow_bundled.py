"""The bundled models on real MNIST: what `euinet models` says of them is what they do."""

from __future__ import annotations

import pytest

from euinet.data.sets import sources
from euinet.judging.saved import evaluate_saved
from euinet.model.bundled import bundled_folder, pretrained_names
from euinet.model.opening import load

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", pretrained_names())
def test_a_bundled_model_does_what_its_card_says(name: str) -> None:
    model = load(bundled_folder(name))
    card = model.card
    metrics = evaluate_saved(model, "mnist", (), sources.data_root(), lambda text: None)
    assert metrics["closed_set_accuracy"] == pytest.approx(card.metrics["closed_set_accuracy"], abs=2e-4)
    for measure in ("id_accuracy", "ood_accuracy", "auroc"):
        if card.metrics[measure] is not None:
            assert metrics[measure] == pytest.approx(card.metrics[measure], abs=2e-3)
    assert metrics["held_out"] == list(card.unknown_classes)
