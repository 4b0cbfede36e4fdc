"""ODIN's input perturbation: one small step that strengthens the prediction before it is read.

x̂ = x − ε·sign(∇ₓ L(x)),  L(x) = −log S_ŷ(x; T)   (Liang et al. 2018, eq. 2)

where S_ŷ is the softmax score of the predicted class. Images of known classes gain more from the
step than unknown ones, which widens the gap. The report's ε = 0.3 on pixels 0 … 255 is ODIN's
own 0.0012 on pixels 0 … 1 (0.3 / 255 = 0.00118).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from euinet.presets import ScoringSettings

NETWORK_RANGE = 2.0  # the networks read pixels in −1 … 1


def step_size(settings: ScoringSettings) -> float:
    """Return what multiplies the direction in the networks' units, from ε in pixels that span `pixel_range`.

    A raw gradient is itself per pixel unit, so the change of units enters twice.
    """
    units = NETWORK_RANGE / settings.pixel_range
    return settings.epsilon * (units if settings.perturbation == "sign" else units * units)


def perturb(images: Tensor, scaled_logits: Callable[[Tensor], Tensor], settings: ScoringSettings) -> Tensor:
    """Return the perturbed copy of (B, C, H, W) images in −1 … 1.

    `scaled_logits` maps images to temperature-scaled class logits (B, K). `settings.perturbation`
    "sign" steps by ε·sign(gradient), "raw" by ε·gradient. The result is not clipped to −1 … 1, as
    in ODIN; with ε = 0 the images are returned as they are and no gradient is taken.
    """
    if settings.epsilon == 0:
        return images
    inputs = images.detach().requires_grad_(True)
    with torch.enable_grad():
        logits = scaled_logits(inputs)
        # −log S of the predicted class; summed, so that each image gets its own gradient
        loss = -logits.log_softmax(dim=1).amax(dim=1).sum()
        (gradient,) = torch.autograd.grad(loss, inputs)
    direction = gradient.sign() if settings.perturbation == "sign" else gradient
    return images - step_size(settings) * direction
