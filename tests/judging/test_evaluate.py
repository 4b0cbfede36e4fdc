from __future__ import annotations

import numpy as np
import pytest
import torch

from euinet.judging.evaluate import decision_metrics
from euinet.scoring.joint import decide


def test_metrics_of_a_decision_by_hand() -> None:
    # rows: reject, class 0, class 1
    scores = torch.tensor([[0.0, 2, 1], [3, 2, 1], [0, 1, 2], [1, 0, 0.5], [0, 1, 0]])
    metrics = decision_metrics(decide(scores, torch.zeros(5)), np.array([0, 0, 0, -1, -3]))
    assert (metrics["n_id"], metrics["n_ood"]) == (3, 2)
    assert metrics["id_accuracy"] == pytest.approx(1 / 3)  # the second is rejected, the third mistaken
    assert metrics["closed_set_accuracy"] == pytest.approx(2 / 3)
    assert metrics["ood_accuracy"] == 1 / 2
    # ood_score: −2, 1, −2 known; 0.5, −1 unknown. Of 6 pairs the unknown is higher in 4.
    assert metrics["auroc"] == pytest.approx(4 / 6)
