"""The stem's convolution is nn.Conv2d's, its gradients included."""

import pytest
import torch
from torch import nn

from euinet.networks import resnet
from euinet.networks.resnet import StemConv


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("channels", "side", "kernel", "stride", "padding"), [
    (1, 28, 5, 2, 2), (1, 27, 5, 2, 2), (1, 9, 3, 1, 1), (1, 11, 4, 3, 0), (3, 28, 5, 2, 2),
])  # fmt: skip
@pytest.mark.parametrize("wanted", ["weights", "images", "both"])
def test_output_and_gradients_are_those_of_torchs_own(
    channels: int, side: int, kernel: int, stride: int, padding: int, bias: bool, wanted: str
) -> None:
    images = torch.randn(6, channels, side, side + 1, dtype=torch.float64)
    ours = StemConv(channels, 4, kernel, stride, padding, bias=bias).double()
    theirs = nn.Conv2d(channels, 4, kernel, stride, padding, bias=bias).double()
    theirs.load_state_dict(ours.state_dict())
    weights = torch.randn_like(theirs(images))
    gradients = []
    for one in (ours, theirs):
        one.requires_grad_(wanted != "images")
        read = images.clone().requires_grad_(wanted != "weights")
        output = one(read)
        (weights * output).sum().backward()
        gradients.append([output.detach(), read.grad, *(parameter.grad for parameter in one.parameters())])
    torch.testing.assert_close(gradients[0], gradients[1])


def test_no_images_give_no_gradient() -> None:
    stem = StemConv(1, 4, 5, 2, 2, bias=False)
    stem(torch.randn(0, 1, 8, 8)).sum().backward()
    assert stem.weight.grad is not None
    assert stem.weight.grad.abs().sum() == 0


def test_one_channel_takes_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    apply = resnet._OneChannelConv.apply
    monkeypatch.setattr(
        resnet._OneChannelConv, "apply", lambda *arguments: (taken.append(1), apply(*arguments))[1]
    )
    stem = StemConv(1, 4, 5, 2, 2, bias=False)
    stem(torch.randn(2, 1, 8, 8))
    assert taken == [1]
    with torch.no_grad():  # nothing to gain at inference
        stem(torch.randn(2, 1, 8, 8))
    assert taken == [1]
