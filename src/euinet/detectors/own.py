"""EuiNet's own scores as pytorch-ood detectors, whole and in parts, to run wherever that library's run.

`fit` on a loader of known images sets the logit range where there is one; `predict` maps (B, C, H, W) images
in −1 … 1 to (B,) scores, higher = more out-of-distribution, each image on its own.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar

import torch
from pytorch_ood.api import Detector, DetectorInfo, Paper, RequiresFittingException, Task
from torch import Tensor, nn

from euinet.model.card import LogitRange
from euinet.networks.records import Outputs
from euinet.presets import ScoringSettings
from euinet.scoring.inference import distance_weights, raw_joint_scores
from euinet.scoring.joint import apply_temperature, joint_ood_score
from euinet.scoring.perturbation import perturb
from euinet.scoring.threshold import RawScores, fit_logit_range, join_raw_scores


class HeadsDetector(Detector):  # type: ignore[misc]  # pytorch-ood comes without types
    """A score made of what an EuiNet's two heads say: class logits and h. `model` is in eval mode."""

    info = DetectorInfo(tasks={Task.CLASSIFICATION})

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def predict(self, x: Tensor) -> Tensor:
        """Return the scores (B,). Raises RequiresFittingException where `fit` is missing."""
        return self.score(self.read(x))

    def read(self, images: Tensor) -> RawScores:
        """Return what the heads say of (B, C, H, W) images in −1 … 1."""
        images = self.perturbed(images.to(self.device))
        with torch.no_grad():
            return self.heads(images, self.model(images))

    def perturbed(self, images: Tensor) -> Tensor:
        """Return the images as the heads are to see them; here as they are."""
        return images

    def heads(self, images: Tensor, outputs: Outputs) -> RawScores:
        """Return what the model says of `perturbed` images, given the network's `outputs` for them.

        `read_heads` (scoring/inference.py) does the same after a pass of its own; here several share one.
        """
        memory = getattr(self.model, "memory", None)
        distance = None if memory is None else memory(outputs.features)
        return RawScores(outputs.class_logits, outputs.disc_logits, distance)

    @abstractmethod
    def score(self, raw: RawScores) -> Tensor:
        """Return the scores (B,) from class logits (B, K) and h (B,)."""


class MaximumLogit(HeadsDetector):
    """Minus the classifier's best logit."""

    def score(self, raw: RawScores) -> Tensor:
        """Return −max z_k."""
        return -raw.class_logits.amax(dim=1)


class ModelDiscriminator(HeadsDetector):
    """What the model discriminator holds for fake."""

    def score(self, raw: RawScores) -> Tensor:
        """Return h, 0 … 1."""
        return raw.disc_score


class EuiNetDetector(HeadsDetector):
    """EuiNet's own score: h_a = α·h + γ minus the best class score (eq. 4), after the perturbation.

    Positive exactly where EuiNet answers "none of these".
    """

    requires_fit = True
    changed: ClassVar[dict[str, Any]] = {}  # settings that a part of EuiNet alone is scored with

    def __init__(
        self, model: nn.Module, settings: ScoringSettings, logit_range: LogitRange | None = None
    ) -> None:
        super().__init__(model)
        self.settings, self.logit_range = settings.model_copy(update=self.changed), logit_range

    def fit(self, data_loader: Iterable[tuple[Tensor, Tensor]]) -> EuiNetDetector:
        """Set the logit range on the known images (label ≥ 0) of a loader of (x, y), x in −1 … 1.

        Raises TrainingError when all best logits are the same.
        """
        read = [self.read(images[labels >= 0]) for images, labels in data_loader]
        self.logit_range = fit_logit_range(join_raw_scores(read), self.settings, distance_weights(self.model))
        return self

    def perturbed(self, images: Tensor) -> Tensor:
        """Return the images after the settings' perturbation, shape kept."""

        def scaled_logits(inputs: Tensor) -> Tensor:
            logits: Tensor = self.model(inputs).class_logits
            return apply_temperature(logits, self.settings.temperature, self.settings.temperature_rule)

        return perturb(images, scaled_logits, self.settings)

    def score(self, raw: RawScores) -> Tensor:
        """Return h_a minus the best class score. Raises RequiresFittingException without a logit range."""
        if self.logit_range is None:
            raise RequiresFittingException()
        return joint_ood_score(raw_joint_scores(raw, self.settings, self.logit_range))


class EuiNetWithoutPerturbation(EuiNetDetector):
    """Eq. 4 with ε = 0: one pass and no gradient."""

    changed: ClassVar[dict[str, Any]] = {"epsilon": 0.0}


class EuiNetWithoutDiscriminator(EuiNetDetector):
    """Eq. 4 with α = 0 and ε = 0: what is left without the model discriminator."""

    changed: ClassVar[dict[str, Any]] = {"epsilon": 0.0, "disc_scale": 0.0}


class EuiNetWithoutMemory(EuiNetDetector):
    """Eq. 4 with ε = 0 and logits that no distance from known features lowers."""

    changed: ClassVar[dict[str, Any]] = {"epsilon": 0.0, "distance_scale": 0.0}


class StandardisedLogit(EuiNetDetector):
    """The best logit, measured by its own class's range: eq. 4 with α = 0, ε = 0 and no memory."""

    changed: ClassVar[dict[str, Any]] = EuiNetWithoutDiscriminator.changed | {
        "distance_scale": 0.0,
        "logit_range": "per_class",
    }


class OneDiscriminator(EuiNetDetector):
    """Eq. 4 with the GAN's own discriminator in the model discriminator's place: h = 1 − D(x)."""

    def __init__(
        self,
        model: nn.Module,
        gan_discriminator: nn.Module,
        settings: ScoringSettings,
        logit_range: LogitRange | None = None,
    ) -> None:
        super().__init__(model, settings, logit_range)
        self.gan_discriminator = gan_discriminator

    def heads(self, images: Tensor, outputs: Outputs) -> RawScores:
        """Return what the model says, with 1 − D(x) (B,) for h."""
        fake = -self.gan_discriminator(images).real_logits
        return replace(super().heads(images, outputs), disc_logits=fake)


class GanDiscriminator(Detector):  # type: ignore[misc]  # pytorch-ood comes without types
    """What the GAN's own discriminator holds for fake, as a logit (Ryu et al. 2018)."""

    info = DetectorInfo(
        tasks={Task.CLASSIFICATION},
        paper=Paper(
            title="Out-of-domain Detection based on Generative Adversarial Network",
            venue="EMNLP",
            year=2018,
            url="https://aclanthology.org/D18-1077/",
        ),
    )

    def __init__(self, gan_discriminator: nn.Module) -> None:
        self.gan_discriminator = gan_discriminator

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """Return the logit of "fake" (B,)."""
        fake: Tensor = -self.gan_discriminator(x.to(self.device)).real_logits
        return fake
