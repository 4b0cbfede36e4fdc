"""A running average of the weights: steadier than the weights themselves, at no cost at inference."""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

Tensors = tuple[Tensor, ...] | list[Tensor]


def running_average(model: nn.Module, decay: float) -> AveragedModel:
    """Return a copy of `model` that follows it: w̄ ← d·w̄ + (1 − d)·w at each `update_parameters(model)`.

    d = min(decay, (1 + n) / (10 + n)) at the n-th update, so that a short training is not judged by the
    weights it started from. BatchNorm's running statistics are averaged too, its counters copied.
    """

    def follow(averaged: Tensors, current: Tensors, updates: Tensor | int) -> None:
        n = int(updates)
        weight = 1 - min(decay, (1 + n) / (10 + n))
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(averaged, current, weight)
        else:
            torch._foreach_copy_(averaged, current)

    return AveragedModel(model, multi_avg_fn=follow, use_buffers=True)
