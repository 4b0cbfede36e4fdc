"""What one training step is given. B images in a batch, K known classes, C channels, H × W pixels."""

from typing import NamedTuple

from torch import Tensor

from euinet.networks.records import Mixing


class Batch(NamedTuple):
    """One training batch as the networks see it."""

    images: Tensor  # (B, C, H, W) float, −1 … 1
    targets: Tensor  # (B, K) float, what share of the image is of which class; rows sum to 1
    posed: Tensor | None = None  # (P, C, H, W), turned or mirrored (augmentations/poses.py)
    pose_labels: Tensor | None = None  # (P,) int64, class and pose in one number


class DiscriminatorBatch(NamedTuple):
    """What the model discriminator learns from in one step: reals, and three kinds of what is none."""

    reals: Tensor  # (R, C, H, W) float, −1 … 1
    fakes: Tensor  # (M, C, H, W), the GAN's
    outliers: Tensor  # (P, C, H, W), made of known images; P may be 0
    mixing: Mixing  # of rows of `reals`, into features between two classes; may name none
