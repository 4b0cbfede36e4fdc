"""Weights that half-precision numbers hold exactly: half the space, and the very network that was judged."""

import torch
from torch import Tensor, nn

from euinet.errors import TrainingError


@torch.no_grad()
def round_weights(network: nn.Module) -> None:
    """Round the weights of layers to what float16 can hold, in place; they stay float32.

    Weights are the parameters of two dimensions and more; biases and BatchNorm are few and stay as they are.
    To be called before calibration, so that what is calibrated, measured and saved is the same network.
    Raises TrainingError, and leaves the network as it was, when a weight is too large or not a number.
    """
    weights = {name: weight for name, weight in network.named_parameters() if weight.ndim >= 2}
    rounded = {name: weight.half().to(weight.dtype) for name, weight in weights.items()}
    for name, weight in rounded.items():
        if not weight.isfinite().all():
            largest = weights[name].abs().max().item()
            raise TrainingError(
                f"The weights {name} reach {largest:.3g}, but only numbers up to 65,504 can be rounded to "
                "float16: training diverged; lower the learning rate, or do not round."
            )
    for name, weight in weights.items():
        weight.copy_(rounded[name])


def stored(tensor: Tensor) -> Tensor:
    """Return a tensor as it is written to a file: in half the space where that loses nothing."""
    tensor = tensor.detach().cpu().contiguous()
    half = tensor.half()
    return half if tensor.ndim >= 2 and torch.equal(half.to(tensor.dtype), tensor) else tensor
