"""BatchNorm whose statistics are those of the whole batch, although each process sees its share only.

torch's SyncBatchNorm does the same on GPUs and refuses the CPU. One way for both can be tested on both; it is
written in plain torch, and costs a gather in the forward pass and a sum in the backward pass of each layer.
"""

from typing import Any

import torch
import torch.distributed
import torch.nn.functional as F
from torch import Tensor, nn


def global_statistics(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean (C,), variance (C,) and count () of a channel's values over the (B, C, …) of all processes.

    The variance is the biased one. Each process's sum of squares is about its own mean and moved to the
    common one, which loses nothing where the mean is large (Chan et al. 1979).
    """
    others = _all_but_channels(rows)
    values = rows.float()
    mean = values.mean(dim=others)
    squares = (values - _by_channel(mean, rows)).square_().sum(dim=others)
    count = mean.new_full((1,), rows.numel() // rows.shape[1])
    mine = torch.cat([count, mean, squares])[None]  # (1, 1 + 2·C)
    found = mine.new_empty(torch.distributed.get_world_size(), mine.shape[1])  # (processes, 1 + 2·C)
    torch.distributed.all_gather_into_tensor(found, mine)
    counts, means, sums = found.split([1, len(mean), len(mean)], dim=1)
    total = counts.sum()
    common = (counts * means).sum(dim=0) / total
    return common, (sums + counts * (means - common).square()).sum(dim=0) / total, total


class _Normalise(torch.autograd.Function):
    """y = weight·(x − mean)/√(variance + eps) + bias, where mean and variance are functions of every x."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        statistics: tuple[Tensor, Tensor, Tensor],
        eps: float,
    ) -> Tensor:
        mean, variance, count = statistics
        ctx.save_for_backward(x, weight, mean, (variance + eps).rsqrt(), count)
        return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, scale, count = ctx.saved_tensors
        gradient = gradients[0].float()
        others = _all_but_channels(x)
        centred = x.float() - _by_channel(mean, x)
        # bias's and weight's gradients stay this process's own: DDP brings them together with all others
        for_bias = gradient.sum(dim=others)
        for_weight = (gradient * centred).sum(dim=others) * scale
        sums = torch.stack([for_bias, for_weight])
        torch.distributed.all_reduce(sums)
        for_mean, for_variance = sums / count
        through = gradient - _by_channel(for_mean, x)
        through = through.addcmul_(centred, _by_channel(scale * for_variance, x), value=-1)
        return through.mul_(_by_channel(weight * scale, x)).to(x.dtype), for_weight, for_bias, None, None


class SyncedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """As nn.BatchNorm1d and 2d on the joined batch of all processes, whose shares may differ in size.

    In eval mode, and in what it saves, it is theirs. Every process must call it, and its backward, as often.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C) or (B, C, H, W)."""
        mean, variance = self.running_mean, self.running_var
        if not self.training or mean is None or variance is None or self.num_batches_tracked is None:
            return super().forward(x)
        statistics = global_statistics(x.detach())
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            kept = self.momentum if self.momentum is not None else 1 / int(self.num_batches_tracked)
            found, biased, count = statistics
            mean.lerp_(found, kept)
            variance.lerp_(biased * count / (count - 1), kept)
        normalised: Tensor = _Normalise.apply(x, self.weight, self.bias, statistics, self.eps)
        return normalised

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions from two on."""


class _Synced1d(SyncedBatchNorm, nn.BatchNorm1d):
    pass


class _Synced2d(SyncedBatchNorm, nn.BatchNorm2d):
    pass


_SYNCED: dict[type[nn.Module], type[SyncedBatchNorm]] = {
    nn.BatchNorm1d: _Synced1d,
    nn.BatchNorm2d: _Synced2d,
}
_PLAIN = {synced: plain for plain, synced in _SYNCED.items()}


def sync_norms(network: nn.Module) -> None:
    """Put a SyncedBatchNorm in the place of each BatchNorm inside `network`, with its own tensors."""
    _replace(network, _SYNCED)


def unsync_norms(network: nn.Module) -> None:
    """Undo `sync_norms`."""
    _replace(network, _PLAIN)


def _replace(network: nn.Module, kinds: Any) -> None:
    for module in network.modules():
        for name, norm in list(module.named_children()):
            if type(norm) in kinds:
                # nothing but the class differs: the optimizer goes on with the same parameters
                other = kinds[type(norm)](norm.num_features, norm.eps, norm.momentum, device="meta")
                other.__dict__.update(norm.__dict__)
                setattr(module, name, other)


def _all_but_channels(rows: Tensor) -> list[int]:
    return [0, *range(2, rows.ndim)]


def _by_channel(values: Tensor, rows: Tensor) -> Tensor:
    """View (C,) so that it fits (B, C, …)."""
    return values.view(-1, *[1] * (rows.ndim - 2))
