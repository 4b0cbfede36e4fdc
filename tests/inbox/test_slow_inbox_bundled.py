"""What docs/inbox.md says of groups: what the bundled models reject of real test images, grouped."""

from __future__ import annotations

import numpy as np
import pytest

import euinet
from euinet.data.sets import sources
from euinet.data.sets.datasets import load_dataset
from euinet.inbox.grouping import group_features
from euinet.inbox.subject import Subject

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("digit", "together"), [(0, 0.9), (4, 0.9), (7, 0.7)])
def test_the_unknown_digit_comes_out_as_one_group(digit: int, together: float) -> None:
    model = euinet.load(f"mnist-without-{digit}")
    mnist = load_dataset("mnist", sources.data_root()).test
    fashion = load_dataset("fashion-mnist", sources.data_root()).test
    chosen = np.random.default_rng(0).choice(len(fashion), 400, replace=False)
    images = np.concatenate([mnist.images, fashion.images[chosen]])
    unknown = np.concatenate([mnist.labels == digit, np.zeros(400, bool)])
    rejected = model.answer(images).rejected
    groups = group_features(Subject.of(model).features(images[rejected]))
    largest, own = groups == 1, unknown[rejected]
    assert own[largest].mean() > 0.99
    assert largest[own].mean() > together
