"""What an explanation reads out of the decision file is what the network reads of the same images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from explain_settings import CASES, Exported

from euinet.explain import Explainer
from euinet.networks import to_network_range
from euinet.records import Decision
from euinet.scoring.inference import in_batches, read_perturbed
from reading_plain import values_of


def read_by_the_network(exported: Exported, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray, Decision]:
    """Return what the perturbation adds, in pixels, the features, and the decision."""
    trained = exported.trained

    def read(inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        reading = read_perturbed(trained.folded, inputs, trained.card.preset.scoring)
        return reading.perturbed, reading.features

    perturbed, features = in_batches(read, images, torch.device("cpu"))
    change = (perturbed - to_network_range(images)).numpy() * 127.5
    return change, features.numpy(), trained.decide(images)


@pytest.mark.parametrize("case", CASES)
def test_change_features_and_h_are_the_networks(
    case: str, exported: Callable[[str], Exported], random_images: Callable[..., torch.Tensor]
) -> None:
    both = exported(case)
    images = random_images(20, both.model.card.channels, 16, 16, seed=11)
    change, features, decision = read_by_the_network(both, images)
    found = Explainer(both.model).explain(images.numpy())
    told = np.stack([values_of(one["change"]) for one in found])
    assert (np.abs(told - change) < 1e-3).mean() > 0.999  # a direction may jump where a gradient is 0
    assert np.abs(change).max() == pytest.approx(0 if case == "still" else 4, abs=1e-3)
    apart = np.abs(both.model.features(images.numpy()) - features).max(axis=1)
    assert np.count_nonzero(apart > 1e-4 * (1 + np.abs(features).max())) <= 1
    for name, wanted in (("disc_score", decision.disc_score), ("threshold", decision.scores[:, 0])):
        apart = np.abs(np.array([one[name] for one in found]) - wanted)
        assert np.count_nonzero(apart > 1e-4 * (1 + np.abs(wanted))) <= 1, name


def test_the_picture_alone_is_not_what_was_read(
    exported: Callable[[str], Exported], random_images: Callable[..., torch.Tensor]
) -> None:
    """Features are of the perturbed image: of the picture as it was given they are others."""
    both = exported("perturbed")
    images = random_images(20, 3, 16, 16, seed=11)
    with torch.no_grad():
        unperturbed = both.trained.folded(to_network_range(images)).features.numpy()
    assert np.abs(both.model.features(images.numpy()) - unperturbed).max() > 1e-2
