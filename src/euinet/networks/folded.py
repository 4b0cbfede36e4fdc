"""A network for scoring alone: BatchNorm folded into the layers before it, one operation for two."""

import copy
import re
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval
from torch.nn.utils.parametrize import register_parametrization

_NUMBERED = re.compile(r"(?:norm|bn)(\d*)")


class Scaled(nn.Module):
    """A weight times a factor for each output channel: w' = w·s, with w kept as it is."""

    scale: Tensor

    def __init__(self, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the scaled weight, the same shape."""
        return weight * self.scale.reshape(-1, *[1] * (weight.ndim - 1))


def fold_batch_norms(network: nn.Module, *, keep_weights: bool = False) -> nn.Module:
    """Return a copy of `network` in eval mode and channels-last that gives the same outputs faster.

    In eval mode BatchNorm is an affine map: with s = γ/√(σ² + ε), w' = w·s, b' = (b − μ)·s + β. Folded are
    those that follow a convolution or linear layer in a Sequential, and conv1 → norm1 or bn1 in a block of
    torchvision's ResNets or of a class with `folds_norms`. Others stay as they are, for names alone tell no
    order: in DenseNet norm1 comes before conv1. Outputs differ by float32's rounding, about 1e-6 of their
    size. With `keep_weights` w and s are kept apart and multiplied in each pass, for a file in which w takes
    half the space; the product is the same. Not for training, where BatchNorm is no fixed map.
    """
    folded = copy.deepcopy(network).eval()
    for module in folded.modules():
        for before, after in list(_pairs(module)):
            layer, norm = getattr(module, before), getattr(module, after)
            if not _can_fold(layer, norm):
                continue
            fuse = fuse_linear_bn_eval if isinstance(layer, nn.Linear) else fuse_conv_bn_eval
            fused = fuse(layer, norm)
            if keep_weights:
                fused.weight = layer.weight
                scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
                register_parametrization(fused, "weight", Scaled(scale.detach()), unsafe=True)
            setattr(module, before, fused)
            setattr(module, after, nn.Identity())
    return folded.to(memory_format=torch.channels_last)


def _pairs(module: nn.Module) -> Iterator[tuple[str, str]]:
    """Yield the names of children where the second reads what the first gives and nothing else does."""
    names = [name for name, _ in module.named_children()]
    if isinstance(module, nn.Sequential):
        if type(module).forward is nn.Sequential.forward:
            yield from pairwise(names)
        return
    if type(module).__module__ != "torchvision.models.resnet" and not getattr(module, "folds_norms", False):
        return
    for name in names:
        numbered = _NUMBERED.fullmatch(name)
        if numbered and f"conv{numbered[1]}" in names:
            yield f"conv{numbered[1]}", name


def _can_fold(layer: nn.Module, norm: nn.Module) -> bool:
    return (
        isinstance(layer, nn.Conv2d | nn.Linear)
        and isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
        and type(norm).__module__ == "torch.nn.modules.batchnorm"  # timm's subclass has the activation inside
        and norm.running_mean is not None
        and len(norm.running_mean) == len(layer.weight)
    )
