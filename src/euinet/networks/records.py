"""What EuiNet gives, and what its forward pass can be told to mix. R reals, M fakes, P pseudo-outliers."""

from typing import NamedTuple

import torch
from torch import Tensor


class Mixing(NamedTuple):
    """Which rows of a batch are mixed into features that lie between two classes: a + s·(b − a)."""

    first: Tensor  # (X,) int64, positions a
    second: Tensor  # (X,) int64, positions b
    share: Tensor  # (X, 1) float, s

    def of(self, rows: Tensor) -> Tensor:
        """Return the mixtures (X, F) of the rows (B, F)."""
        return torch.lerp(rows[self.first], rows[self.second], self.share.to(rows.dtype))


class Outputs(NamedTuple):
    """What EuiNet's one forward pass gives (a named tuple, so that torch.export and Fabric see into it).

    `disc_logits`: h = sigmoid(disc_logits), 0 real … 1 fake. At inference (B,), one an image. In training
    they are of other images than `class_logits`: of R reals, M fakes, P pseudo-outliers and X mixtures, in
    this order, (R+M+P+X,); or of the B images that were given, reals before fakes, where the discriminator
    shapes the trunk.
    """

    class_logits: Tensor  # (B, K), before any temperature
    disc_logits: Tensor
    features: Tensor  # (B, F), what the classifier reads: the trunk's last stage
    pose_logits: Tensor | None = None  # (P, K·8), in training only
