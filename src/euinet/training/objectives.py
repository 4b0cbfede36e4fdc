"""The objectives: eq. 2 (EuiNet), eq. 3 (the GAN's two players), feature matching.

All take logits and work with log-sigmoid and log-softmax, so that none of the logarithms of
eq. 2 and 3 is ever taken of a number rounded to 0. The report prints eq. 2 without its leading
minus; a loss to be minimised needs it, and it is here.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from euinet.presets import ClassLoss


class EuiNetLosses(NamedTuple):
    """The three sums of eq. 2, each a scalar mean over its images; the objective is their total."""

    class_loss: Tensor  # y·log ŷ + (1−y)·log(1−ŷ)
    disc_real_loss: Tensor  # label 0
    disc_fake_loss: Tensor  # label 1
    pose_loss: Tensor | None = None  # beside eq. 2, where the preset asks for it; weighted

    @property
    def total(self) -> Tensor:
        """The one objective that the one optimizer minimises."""
        eq2 = self.class_loss + self.disc_real_loss + self.disc_fake_loss
        return eq2 if self.pose_loss is None else eq2 + self.pose_loss

    def present(self) -> dict[str, Tensor]:
        """Return the sums that there are, by name."""
        return {name: loss for name, loss in self._asdict().items() if loss is not None}


def euinet_losses(
    scaled_logits: Tensor,
    targets: Tensor,
    real_disc_logits: Tensor,
    fake_disc_logits: Tensor,
    class_loss: ClassLoss,
    fake_weights: Tensor | None = None,
) -> EuiNetLosses:
    """Return eq. 2 for one batch of real and one of fake images.

    `scaled_logits` (B, K) are the real images' class logits after the training temperature,
    `targets` (B, K) what each image shows, rows summing to 1 (one-hot unless mixed), the disc logits (B,)
    and (B_fake,) those of "fake". `fake_weights` (B_fake,) sum to 1; without them all fakes count alike.
    Real counts as 0 and fake as 1: −log(1 − d̂_r) = softplus(logit), −log d̂_f = softplus(−logit).
    """
    fake_losses = F.softplus(-fake_disc_logits)
    return EuiNetLosses(
        class_losses(scaled_logits, targets, class_loss),
        F.softplus(real_disc_logits).mean(),
        fake_losses.mean() if fake_weights is None else (fake_weights * fake_losses).sum(),
    )


def class_losses(scaled_logits: Tensor, targets: Tensor, kind: ClassLoss) -> Tensor:
    """Return the classifier's part of eq. 2, summed over classes and averaged over images.

    Three readings of "ŷ, the prediction outputs of the classifier":
    `softmax_binary` takes eq. 2 by the letter with ŷ = softmax; `sigmoid_binary` with ŷ = sigmoid,
    one binary classifier a class; `cross_entropy` keeps −log softmax of the true class alone.
    """
    if kind == "cross_entropy":
        return F.cross_entropy(scaled_logits, targets)
    if kind == "sigmoid_binary":
        terms = F.binary_cross_entropy_with_logits(scaled_logits, targets, reduction="none")
    else:
        log_p = F.log_softmax(scaled_logits, dim=1)
        terms = -(targets * log_p + (1 - targets) * log1m_exp(log_p))
    return terms.sum(dim=1).mean()


def log1m_exp(log_p: Tensor) -> Tensor:
    """Return log(1 − exp(log_p)) for log_p ≤ 0, accurate at both ends (Mächler 2012).

    At log_p = 0 the value is cut at that of 1 − p = 1e-7, so that the loss stays finite.
    """
    log_p = log_p.clamp(max=-1e-7)
    near_one = log_p > -0.6931  # −log 2: where the other form takes over
    # Each branch sees only arguments it is accurate on, or its gradient would be NaN × 0.
    small = torch.log(-torch.expm1(torch.where(near_one, log_p, -0.6931)))
    large = torch.log1p(-torch.exp(torch.where(near_one, -0.6931, log_p)))
    return torch.where(near_one, small, large)


def gan_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Return −[E log D(x) + E log(1 − D(G(z)))], what D minimises in eq. 3. Logits (B,) of "real"."""
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def generator_loss(fake_logits: Tensor) -> Tensor:
    """Return −E log D(G(z)), the non-saturating form of G's half of eq. 3 (Goodfellow et al. 2014).

    Its fixed point is eq. 3's; log(1 − D(G(z))) itself has no gradient while D still wins easily.
    """
    return F.softplus(-fake_logits).mean()


def feature_matching_loss(real_features: Tensor, fake_features: Tensor) -> Tensor:
    """Return ‖E f(x) − E f(G(z))‖² / F for (B, F) discriminator features (Salimans et al. 2016)."""
    return (real_features.mean(dim=0) - fake_features.mean(dim=0)).square().mean()
