from __future__ import annotations

import numpy as np
import pytest
import torch
from pytorch_ood.api import RequiresFittingException
from pytorch_ood.detector import OpenMax
from torch import Tensor

from euinet.detectors.openmax import BatchedOpenMax


@pytest.fixture(scope="module")
def logits() -> tuple[Tensor, Tensor]:
    """Of 300 images in 4 classes; the best logit is mostly the image's own class's."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(300) % 4
    noise = torch.randn(300, 4, generator=generator)
    return noise + 6 * torch.nn.functional.one_hot(labels, 4), labels


@pytest.mark.parametrize("alpha", [1, 3, 10])
def test_as_in_the_library_where_a_batch_holds_every_class(logits: tuple[Tensor, Tensor], alpha: int) -> None:
    known, labels = logits
    asked = torch.cat([known[:40], 3 * torch.randn(40, 4, generator=torch.Generator().manual_seed(1))])
    mine = BatchedOpenMax(None, alpha=alpha).fit_logits(known, labels).predict_logits(asked)
    theirs = OpenMax(None, alpha=alpha).fit_logits(known, labels).predict_logits(asked)
    np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-5)  # theirs is in float32
    assert mine.std() > 0.01


def test_an_image_scores_alone_as_it_does_among_others(logits: tuple[Tensor, Tensor]) -> None:
    known, labels = logits
    mine, theirs = (kind(None).fit_logits(known, labels) for kind in (BatchedOpenMax, OpenMax))
    together, alone = mine.predict_logits(known[:9]), mine.predict_logits(known[:1])
    torch.testing.assert_close(alone[0], together[0])
    # the reason for this class: the library's does not
    assert abs(theirs.predict_logits(known[:1])[0] - theirs.predict_logits(known[:9])[0]) > 1e-3


def test_not_before_fitting() -> None:
    with pytest.raises(RequiresFittingException):
        BatchedOpenMax(None).predict_logits(torch.zeros(1, 4))
