"""A published network's frozen backbone reads images as the network was trained to."""

from __future__ import annotations

import pytest
from torch import nn

from euinet.errors import UsageError
from euinet.export.published import reads_as
from euinet.images.preprocessing import Preprocessing
from euinet.networks.pretrained import Pretrained


def network(size: int, resize: int, interpolation: str) -> Pretrained:
    return Pretrained("x", nn.Identity(), (0.5,) * 3, (0.5,) * 3, size, resize, interpolation, 3, "made up")


@pytest.mark.parametrize(("size", "resize"), [(224, 256), (299, 341), (518, 518)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_size_crop_and_filter_are_the_networks(size: int, resize: int, interpolation: str) -> None:
    found = reads_as(network(size, resize, interpolation))
    assert found == Preprocessing(3, size, resize, interpolation, draft=True)


def test_a_filter_that_there_is_not_is_refused() -> None:
    with pytest.raises(UsageError, match="interpolation is random, but must be one of"):
        reads_as(network(224, 256, "random"))
