"""The classifier's trunk: a small residual network (He et al. 2016) that shows every stage."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from euinet.networks.strided import every_nth, strided_input_gradient
from euinet.networks.trunk import Trunk
from euinet.presets import ModelSettings


class PointwiseConv(nn.Conv2d):
    """A 1×1 convolution without padding or groups, as a matrix product over the channels.

    The same function as nn.Conv2d's, with the same weights. torch 2.15's own, in channels-last with stride 2
    on a processor with AVX2, goes past its memory where it has 3 or 4 input channels: weight gradients that
    were wrong by up to half in most steps, and now and then a crash. With 16 or 32 it was right.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C_in, H, W) to (B, C_out, ⌈H/stride⌉, ⌈W/stride⌉)."""
        step = self.stride[0]
        pixels = every_nth(x, step) if step > 1 else x.permute(0, 2, 3, 1)  # (B, H', W', C_in)
        return F.linear(pixels, self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


class StemConv(nn.Conv2d):
    """A convolution without groups whose gradients are fast for images of one channel, too.

    The same function as nn.Conv2d's, with the same weights. torch's own gradients run at a tenth of a
    processor's speed where there is one input channel: of 256 MNIST images, 3.4 ms for the weights' and 10 ms
    for the images', where the forward pass takes 1.2.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, C_in, H, W) to (B, C_out, H/stride, W/stride), rounded up."""
        if self.in_channels == 1 and _gradients_wanted(images, self.weight):
            result: Tensor = _OneChannelConv.apply(
                images, self.weight, self.bias, self.stride[0], self.padding[0]
            )
            return result
        return super().forward(images)


def _gradients_wanted(images: Tensor, weight: Tensor) -> bool:
    return (
        images.device.type == "cpu"
        and images.shape[0] > 0
        and torch.is_grad_enabled()
        and (weight.requires_grad or images.requires_grad)
        and not torch.is_autocast_enabled("cpu")
        # under vmap what a Function gives may not be changed in place, and the ReLU after it does that
        and not torch._C._are_functorch_transforms_active()
    )


class _OneChannelConv(torch.autograd.Function):
    """conv2d; its weight gradient ∂L/∂w[o, i, j] = Σ_b,y,x g[b, o, y, x] · x[b, s·y + i − p, s·x + j − p].

    Which is one matrix product of all pixels that were read. The images' gradient: networks/strided.py.
    """

    @staticmethod
    def forward(images: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
        return F.conv2d(images, weight, bias, stride, padding)

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None, int, int], output: Tensor
    ) -> None:
        images, weight, bias, ctx.stride, ctx.padding = inputs
        ctx.has_bias = bias is not None
        ctx.save_for_backward(images, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, weight = ctx.saved_tensors
        of_images = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_images = strided_input_gradient(gradient, weight, ctx.stride, ctx.padding, images.shape[2:])
        if ctx.needs_input_grad[1]:
            of_weight = _weight_gradient(gradient, images, weight.shape[2:], ctx.stride, ctx.padding)
        if ctx.has_bias and ctx.needs_input_grad[2]:
            of_bias = gradient.sum(dim=(0, 2, 3))
        return of_images, of_weight, of_bias, None, None


def _weight_gradient(
    gradient: Tensor, images: Tensor, kernel: Sequence[int], stride: int, padding: int
) -> Tensor:
    """Return ∂L/∂w (C_out, 1, k, k): what each weight read, a row of B·H'·W' pixels, times the gradient."""
    rows, columns = kernel
    around = F.pad(images[:, 0], (padding,) * 4)
    read = around.unfold(1, rows, stride).unfold(2, columns, stride)  # (B, H', W', k, k), a view
    taps = read.permute(3, 4, 0, 1, 2).reshape(rows * columns, -1)
    of_outputs = gradient.permute(0, 2, 3, 1).reshape(-1, gradient.shape[1])
    return (taps @ of_outputs).t().reshape(-1, 1, rows, columns)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut: y = relu(x' + bn(conv(relu(bn(conv(x)))))).

    The shortcut x' is x itself, or a 1×1 convolution of it where shape changes.
    """

    folds_norms = True

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                PointwiseConv(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H/stride, W/stride)."""
        # in place wherever nothing reads the operand again: less memory to pass through
        residual = F.relu(self.norm1(self.conv1(x)), inplace=True)
        residual = self.norm2(self.conv2(residual))
        return F.relu(residual.add_(self.shortcut(x)), inplace=True)


def small_resnet(settings: ModelSettings, channels: int, image_size: int) -> Trunk:
    """A stem that halves the image, then one residual stage per entry of `settings.trunk_widths`.

    Every stage after the first halves the image again. The stem's early halving is where the
    time is saved: a stage at full 28×28 costs four times one at 14×14.
    """
    widths = settings.trunk_widths
    stem = nn.Sequential(
        StemConv(channels, widths[0], 5, stride=2, padding=2, bias=False),
        nn.BatchNorm2d(widths[0]),
        nn.ReLU(inplace=True),
    )
    stages: list[nn.Module] = []
    channels, side = widths[0], -(-image_size // 2)  # halving rounds up
    for index, width in enumerate(widths):
        blocks = []
        for block in range(settings.blocks_per_stage):
            stride = 2 if index > 0 and block == 0 else 1
            blocks.append(ResidualBlock(channels, width, stride))
            channels, side = width, -(-side // stride)
        stages.append(nn.Sequential(*blocks))
    return Trunk(stem, stages, widths, side, settings.embedding)
