"""What is written in place of torch's steps gives torch's numbers, in the layout that it is there for."""

import pytest
import torch
import torch.nn.functional as F

from euinet.networks.strided import every_nth, strided_input_gradient


@pytest.mark.parametrize(("kernel", "step", "padding"), [
    (3, 1, 1), (5, 1, 0), (3, 2, 1), (4, 2, 1), (5, 2, 2), (1, 2, 0), (3, 3, 0), (5, 3, 2), (2, 3, 1),
])  # fmt: skip
@pytest.mark.parametrize("sides", [(12, 12), (9, 14)])
def test_a_step_s_input_gradient_is_autograds(
    kernel: int, step: int, padding: int, sides: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    images = torch.randn(3, 2, *sides, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 2, kernel, kernel, dtype=torch.float64)
    output = F.conv2d(images, weight, stride=step, padding=padding)
    gradient = torch.randn_like(output)
    (expected,) = torch.autograd.grad(output, images, gradient)
    found = strided_input_gradient(gradient, weight, step, padding, sides)
    torch.testing.assert_close(found, expected)


def test_one_weight_sends_the_gradient_back_to_where_it_was_read() -> None:
    weight = torch.zeros(1, 1, 3, 3)
    weight[0, 0, 2, 1] = 5  # the output at (y, x) reads the image at (2·y + 1, 2·x)
    gradient = torch.zeros(1, 1, 2, 2)
    gradient[0, 0, 1, 0] = 1
    found = strided_input_gradient(gradient, weight, 2, 1, (4, 4))
    assert found.nonzero().tolist() == [[0, 0, 3, 0]]
    assert found[0, 0, 3, 0] == 5


@pytest.mark.parametrize(("side", "step"), [(6, 2), (7, 2), (8, 3)])
def test_every_nth_pixel_and_its_gradient_keep_channels_last(side: int, step: int) -> None:
    maps = torch.randn(2, 4, side, side).contiguous(memory_format=torch.channels_last).requires_grad_()
    chosen = every_nth(maps, step)
    assert torch.equal(chosen, maps[:, :, ::step, ::step].permute(0, 2, 3, 1))
    weights = torch.randn_like(chosen)
    (found,) = torch.autograd.grad((weights * chosen).sum(), maps)
    (expected,) = torch.autograd.grad((weights * maps[:, :, ::step, ::step].permute(0, 2, 3, 1)).sum(), maps)
    assert torch.equal(found, expected)
    assert found.stride(1) == 1  # channels lie side by side, as in what it is added to
