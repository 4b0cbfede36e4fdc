"""Images as the weights of others read them: less a mean, over a deviation, one of each for every colour."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of red, green and blue in 0 … 1
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


class Normalised(nn.Module):
    """Bring images from −1 … 1 to what a network's weights read: x ↦ ((x + 1)/2 − mean)/deviation.

    `mean` and `deviation` are of red, green and blue in 0 … 1.
    """

    gain: Tensor
    shift: Tensor

    def __init__(
        self, mean: Sequence[float] = IMAGENET_MEAN, deviation: Sequence[float] = IMAGENET_DEVIATION
    ) -> None:
        super().__init__()
        middle, spread = (torch.tensor(values).view(3, 1, 1) for values in (mean, deviation))
        # Constants: a model's file need not hold them.
        self.register_buffer("gain", 0.5 / spread, persistent=False)
        self.register_buffer("shift", (0.5 - middle) / spread, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 1 or 3, H, W) to (B, 3, H, W); grey is taken for all three colours."""
        brought = images * self.gain + self.shift
        # One layout whatever the weights': a saved model read back then gives the very same numbers.
        return brought.contiguous(memory_format=torch.channels_last)
