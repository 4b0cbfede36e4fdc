"""The detectors that the report compares itself with, on the same images.

Each gives an `ood_score` (higher = more out-of-distribution). Their threshold is ODIN's: the one that
accepts 95 % of known images, read off the validation images.
"""

from typing import cast

import torch
from torch import Tensor, nn

from euinet.answers import PixelArray
from euinet.networks.folded import fold_batch_norms
from euinet.presets import ScoringSettings
from euinet.scoring.inference import in_batches
from euinet.scoring.perturbation import perturb

ODIN_TEMPERATURE = 1000.0
ODIN_EPSILON = 0.0012  # pixels 0 … 1; section 2.1 of the report
KNOWN_ACCEPTED = 0.95


class ClassifierOnly(nn.Module):
    """EuiNet's classifier as a plain network: images in, class logits out."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """Return class logits (B, K) for (B, C, H, W) images in −1 … 1."""
        return cast(Tensor, self.model(images).class_logits)


def vanilla_odin_scores(model: nn.Module, images: PixelArray | Tensor) -> Tensor:
    """Return ODIN's score −max softmax at T = 1000, ε = 0.0012 for uint8 images (N, C, H, W): (N,) float64.

    Liang et al. 2018, as in pytorch-ood, whose own float32 softmax is replaced by one in float64: at
    T = 1000 the scores of nine classes differ from 1/9 in the third digit and between images in the fifth.
    """
    classifier = ClassifierOnly(fold_batch_norms(model)).requires_grad_(False)
    settings = ScoringSettings(
        temperature=ODIN_TEMPERATURE,
        temperature_rule="divide",
        epsilon=ODIN_EPSILON,
        pixel_range=1.0,
        disc_scale=0,
        disc_shift=0,
    )

    def logits(inputs: Tensor) -> Tensor:
        perturbed = perturb(inputs, lambda read: classifier(read) / ODIN_TEMPERATURE, settings)
        with torch.no_grad():
            return cast(Tensor, classifier(perturbed))

    (scored,) = in_batches(logits, images, next(model.parameters()).device)
    return -(scored.double() / ODIN_TEMPERATURE).softmax(dim=1).amax(dim=1)


def gan_discriminator_scores(discriminator: nn.Module, images: PixelArray | Tensor) -> Tensor:
    """Return the GAN discriminator's logit of "fake" for uint8 images (N, C, H, W): (N,).

    Ryu et al. 2018: what D does not take for real is out of domain.
    """

    @torch.no_grad()
    def fake(inputs: Tensor) -> Tensor:
        return -cast(Tensor, discriminator(inputs).real_logits)

    return in_batches(fake, images, next(discriminator.parameters()).device)[0]


def threshold_accepting(known_scores: Tensor, share: float = KNOWN_ACCEPTED) -> float:
    """Return the smallest of the `known_scores` (n,) that at least `share` of them do not exceed."""
    ordered = torch.sort(known_scores).values
    rank = min(len(ordered), max(1, -int(-share * len(ordered) // 1)))  # ⌈share·n⌉
    return float(ordered[rank - 1])
