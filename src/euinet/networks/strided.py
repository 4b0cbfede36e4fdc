"""What steps of more than one pixel cost in the backward pass, and how to have it for less.

torch writes the gradient of a step into zeros in rows, whatever the layout of all around it, and every
operation that reads both layouts then runs at a twentieth of its speed; and its transposed convolution takes
ten times the forward pass's time where there is one channel. onnxruntime's is slow for any number of them.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def every_nth(maps: Tensor, step: int) -> Tensor:
    """Return every `step`-th pixel of maps (B, C, H, W), channels last: (B, ⌈H/step⌉, ⌈W/step⌉, C)."""
    result: Tensor = _EveryNth.apply(maps, step)
    return result


class _EveryNth(torch.autograd.Function):
    """maps[:, :, ::step, ::step], channels last; the gradient has the pixels' places between zeros."""

    generate_vmap_rule = True

    @staticmethod
    def forward(maps: Tensor, step: int) -> Tensor:
        return maps[:, :, ::step, ::step].permute(0, 2, 3, 1).contiguous()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        maps, ctx.step = inputs
        ctx.sides = maps.shape[2:]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        step, (height, width) = ctx.step, ctx.sides
        images, rows, columns, channels = gradient.shape
        apart = gradient.reshape(images, rows, 1, columns, 1, channels)
        apart = F.pad(apart, (0, 0, 0, step - 1, 0, 0, 0, step - 1))
        spread = apart.view(images, rows * step, columns * step, channels)
        return spread[:, :height, :width].permute(0, 3, 1, 2), None


def strided_input_gradient(
    gradient: Tensor, weight: Tensor, step: int, padding: int, sides: tuple[int, int]
) -> Tensor:
    """Return the input gradient of conv2d(images, weight, stride=step, padding=padding), (B, C_in, *sides).

    `gradient` is of the output, (B, C_out, H', W'); `weight` (C_out, C_in, k, k). A transposed convolution,
    made of an ordinary one: the pixels x = s·u + a of each remainder a see every s-th weight alone,
    ∂L/∂x[s·u + a] = Σ_m g[u + p'/s − m] · w'[a + s·m], where w' is w with c = −p mod s zeros before it and
    p' = p + c. One convolution gives all s² remainders as channels; a pixel shuffle puts them in place.
    """
    outputs, inputs, kernel = weight.shape[0], weight.shape[1], weight.shape[2]
    before = -padding % step
    taps = -(-(before + kernel) // step)
    after = taps * step - before - kernel
    spread = F.pad(weight, (before, after, before, after)).reshape(outputs, inputs, taps, step, taps, step)
    # (C_in, s, s, C_out, taps, taps): a convolution's kernels run the other way than the sum over m
    kernels = spread.flip(2, 4).permute(1, 3, 5, 0, 2, 4).reshape(inputs * step**2, outputs, taps, taps)
    first = taps - 1 - (padding + before) // step
    margins = []  # of the gradient: left, right, top, bottom
    for side, places in ((sides[1], gradient.shape[3]), (sides[0], gradient.shape[2])):
        margins += [first, -(-side // step) + taps - 1 - first - places]
    if len(set(margins)) == 1 and first >= 0:
        remainders = F.conv2d(gradient, kernels, padding=first)
    else:
        remainders = F.conv2d(F.pad(gradient, margins), kernels)
    shuffled = remainders if step == 1 else F.pixel_shuffle(remainders, step)
    return shuffled[:, :, : sides[0], : sides[1]]
