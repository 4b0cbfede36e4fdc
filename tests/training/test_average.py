from __future__ import annotations

import pytest
import torch
from torch import nn

from euinet.training.average import running_average


def test_the_average_by_hand_with_its_warm_up() -> None:
    # The first update copies. At the n-th after it d = min(0.9, (1 + n) / (10 + n)): 2/11, then 3/12.
    model = nn.Linear(1, 1, bias=False)
    average = running_average(model, 0.9)
    expected = 0.0
    for n, weight in enumerate((5.0, 1.0, 3.0)):
        with torch.no_grad():
            model.weight.fill_(weight)
        average.update_parameters(model)
        decay = min(0.9, (1 + n) / (10 + n))
        expected = weight if n == 0 else decay * expected + (1 - decay) * weight
        assert average.module.weight.item() == pytest.approx(expected, rel=1e-6)
    assert expected == pytest.approx(0.25 * (2 / 11 * 5 + 9 / 11 * 1) + 0.75 * 3)


def test_statistics_are_averaged_and_counters_copied() -> None:
    norm = nn.BatchNorm1d(1)
    average = running_average(norm, 0.5)
    for mean, batches in ((4.0, 7), (8.0, 9)):
        assert norm.running_mean is not None
        assert norm.num_batches_tracked is not None
        norm.running_mean.fill_(mean)
        norm.num_batches_tracked.fill_(batches)
        average.update_parameters(norm)
    assert average.module.running_mean.item() == pytest.approx(2 / 11 * 4 + 9 / 11 * 8)
    assert average.module.num_batches_tracked.item() == 9
