"""Every detector, one entry each: EuiNet's own, then pytorch-ood's that need no unknown image.

Another package adds its own by `register_detector`.
No setting was tuned: each is the paper's, or the library's where the paper tunes it on unknown images.
Activations are reshaped where the paper does it: by ReAct, SCALE and VRA after the last pooling, by ASH and
RankFeat before it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pytorch_ood import detector as library
from pytorch_ood.api import Detector, Paper

from euinet.detectors import own, reads
from euinet.detectors.openmax import BatchedOpenMax
from euinet.detectors.parts import Parts
from euinet.detectors.reads import FittedOn, Reads
from euinet.scoring.baselines import ODIN_EPSILON, ODIN_TEMPERATURE
from euinet.scoring.perturbation import NETWORK_RANGE
from euinet.system.registry import Registry

NOTHING, TRAIN, FEW, VALIDATION = FittedOn
Kind = TypeVar("Kind", bound=type[Detector])


@dataclass(frozen=True)
class Entry:
    """One detector: its name, what it reads and is fitted on, how it is made, by which settings."""

    name: str
    reads: Reads
    fitted_on: FittedOn
    kind: type[Detector]
    arguments: Callable[[Parts], tuple[Any, ...]]  # of `kind`
    settings: str  # and whose they are
    needs_gan: bool = False  # the GAN's own discriminator, which saved models do not keep

    def make(self, parts: Parts) -> Detector:
        """Return the detector, not fitted yet. Raises UsageError where the subject lacks a part."""
        return self.kind(*self.arguments(parts))

    @property
    def paper(self) -> Paper | None:
        """Where it comes from (title, venue, year, url); None for a baseline without a paper."""
        return self.kind.info.paper if self.kind.info else None


DETECTORS: Registry[Entry] = Registry("detector", "euinet.detectors")


def register_detector(
    name: str,
    reads: Reads,
    fitted_on: FittedOn = NOTHING,
    *,
    arguments: Callable[[Parts], tuple[Any, ...]] = lambda parts: (parts.classifier,),
    settings: str = "none",
    needs_gan: bool = False,
) -> Callable[[Kind], Kind]:
    """Make the decorated class, one of pytorch-ood's `Detector`, the detector `name` (see `Entry`).

    Raises UsageError for a name that is taken.
    """

    def register(kind: Kind) -> Kind:
        entry = Entry(name, reads, fitted_on, kind, arguments, settings, needs_gan)
        DETECTORS.add(name, entry, kind.__module__)
        return kind

    return register


# EuiNet's logit range comes with the subject; "one discriminator" needs another, for its own h.
# fmt: off
OWN = (
    Entry("EuiNet", reads.PERTURBED_HEADS, NOTHING, own.EuiNetDetector,
          lambda p: (p.model, p.subject.settings, p.subject.logit_range), "eq. 4: preset"),
    Entry("EuiNet without perturbation", reads.HEADS, NOTHING, own.EuiNetWithoutPerturbation,
          lambda p: (p.model, p.subject.settings, p.subject.logit_range), "eq. 4, ε = 0: preset"),
    Entry("one discriminator", reads.PERTURBED_HEADS, VALIDATION, own.OneDiscriminator,
          lambda p: (p.model, p.gan_discriminator, p.subject.settings), "eq. 4: preset", needs_gan=True),
    Entry("EuiNet without discriminator", reads.HEADS, VALIDATION, own.EuiNetWithoutDiscriminator,
          lambda p: (p.model, p.subject.settings), "eq. 4, α = 0, ε = 0: preset"),
    Entry("EuiNet without memory", reads.HEADS, VALIDATION, own.EuiNetWithoutMemory,
          lambda p: (p.model, p.subject.settings), "eq. 4, ε = 0: preset"),
    Entry("standardised logit", reads.HEADS, VALIDATION, own.StandardisedLogit,
          lambda p: (p.model, p.subject.settings), "eq. 4, α = 0, ε = 0: preset"),
    Entry("maximum logit", reads.HEADS, NOTHING, own.MaximumLogit,
          lambda p: (p.model,), "none"),
    Entry("model discriminator", reads.HEADS, NOTHING, own.ModelDiscriminator,
          lambda p: (p.model,), "none"),
    Entry("GAN discriminator", reads.IMAGES, NOTHING, own.GanDiscriminator,
          lambda p: (p.gan_discriminator,), "none", needs_gan=True),
)

# pytorch-ood's names for what goes in: a `model` gives logits, an `encoder` pooled features, a `backbone`
# feature maps; `head` does the rest. Mahalanobis' and ODIN's steps are in the networks' units, −1 … 1.
POSTHOC = (
    Entry("MaxSoftmax", reads.LOGITS, NOTHING, library.MaxSoftmax,
          lambda p: (p.classifier,), "T = 1: paper"),
    Entry("MaxLogit", reads.LOGITS, NOTHING, library.MaxLogit,
          lambda p: (p.classifier,), "none"),
    Entry("EnergyBased", reads.LOGITS, NOTHING, library.EnergyBased,
          lambda p: (p.classifier,), "T = 1: paper"),
    Entry("Entropy", reads.LOGITS, NOTHING, library.Entropy,
          lambda p: (p.classifier,), "none"),
    Entry("GEN", reads.LOGITS, NOTHING, library.GEN,
          lambda p: (p.classifier, 0.1), "γ = 0.1: paper; all classes: library"),
    Entry("KLMatching", reads.LOGITS, VALIDATION, library.KLMatching,
          lambda p: (p.classifier,), "none"),
    Entry("TemperatureScaling", reads.LOGITS, VALIDATION, library.TemperatureScaling,
          lambda p: (p.classifier,), "T fitted: paper"),
    Entry("OpenMax", reads.LOGITS, TRAIN, BatchedOpenMax,
          lambda p: (p.classifier, 25, 10, 1.0), "tail 25, α = 10, Euclidean distance: library"),
    Entry("DICE", reads.FEATURES, TRAIN, library.DICE,
          lambda p: (p.encoder, p.head.weight, p.head.bias, 0.9), "p = 0.9: paper, CIFAR-10"),
    Entry("fDBD", reads.FEATURES, TRAIN, library.fDBD,
          lambda p: (p.encoder, p.head), "none"),
    Entry("GMM", reads.FEATURES, TRAIN, library.GMM,
          lambda p: (p.encoder, 1e-6), "10⁻⁶ on the covariances' diagonals: library"),
    Entry("KNN", reads.FEATURES, FEW, library.KNN,
          lambda p: (p.encoder, min(50, len(p.subject.train))), "k = 50: paper, CIFAR-10"),
    Entry("LTS", reads.FEATURES, NOTHING, library.LTS,
          lambda p: (p.encoder, p.head, 0.05), "5 % of the activations: library"),
    Entry("Mahalanobis", reads.FEATURES, TRAIN, library.Mahalanobis,
          lambda p: (p.encoder,), "none"),
    Entry("RMD", reads.FEATURES, TRAIN, library.RMD,
          lambda p: (p.encoder,), "none"),
    Entry("NCI", reads.FEATURES, TRAIN, library.NCI,
          lambda p: (p.encoder, p.head, 0.0), "α = 0: library"),
    Entry("NNGuide", reads.FEATURES, FEW, library.NNGuide,
          lambda p: (p.encoder, p.head, min(10, len(p.subject.train))), "k = 10: library"),
    Entry("PNML", reads.FEATURES, TRAIN, library.PNML,
          lambda p: (p.encoder, p.head), "none"),
    Entry("SHE", reads.FEATURES, TRAIN, library.SHE,
          lambda p: (p.encoder, p.head), "inner product: paper"),
    Entry("ViM", reads.FEATURES, TRAIN, library.ViM,
          lambda p: (p.encoder, p.features // 2, p.head.weight, p.head.bias),
          "half of the dimensions are principal: library, for features narrower than the paper's"),
    Entry("ReAct", reads.SHAPED_FEATURES, TRAIN, library.ReAct,
          lambda p: (p.pooled_backbone, p.pooled_head, None, 0.9), "clipped at the 90th percentile: paper"),
    Entry("SCALE", reads.SHAPED_FEATURES, NOTHING, library.SCALE,
          lambda p: (p.pooled_backbone, p.pooled_head, 0.65), "by the top 35 % of the activations: library"),
    Entry("VRA", reads.SHAPED_FEATURES, TRAIN, library.VRA,
          lambda p: (p.pooled_backbone, p.pooled_head, 0.01, 0.99), "percentiles 1 and 99: library"),
    Entry("ASH-S", reads.MAPS, NOTHING, library.ASH,
          lambda p: (p.backbone, p.map_head, "ash-s", 0.65), "65 % of the activations pruned: library"),
    Entry("ASH-P", reads.MAPS, NOTHING, library.ASH,
          lambda p: (p.backbone, p.map_head, "ash-p", 0.65), "65 % of the activations pruned: library"),
    Entry("ASH-B", reads.MAPS, NOTHING, library.ASH,
          lambda p: (p.backbone, p.map_head, "ash-b", 0.65), "65 % of the activations pruned: library"),
    Entry("RankFeat", reads.MAPS, NOTHING, library.RankFeat,
          lambda p: (p.backbone, p.map_head), "last stage, where it has more than one place: paper"),
    Entry("GradNorm", reads.HEAD_GRADIENTS, NOTHING, library.GradNorm,
          lambda p: (p.head, "weight".__eq__), "last layer's weights, T = 1: paper"),
    Entry("GradUncertainty", reads.HEAD_GRADIENTS, NOTHING, library.GradUncertainty,
          lambda p: (p.head,), "last layer: library's advice; the paper trains a classifier on unknowns"),
    Entry("MultiMahalanobis", reads.POOLED_LAYERS, TRAIN, library.MultiMahalanobis,
          lambda p: (p.all_layers,), "every stage, of equal weight: library"),
    Entry("Gram", reads.LAYERS, FEW, library.Gram,
          lambda p: (p.map_head, p.layers, p.head.out_features), "poles 1 … number of stages: library"),
    Entry("ODIN", reads.IMAGES, NOTHING, library.ODIN,
          lambda p: (p.frozen_classifier, None, ODIN_EPSILON * NETWORK_RANGE, ODIN_TEMPERATURE),
          "T = 1000, ε = 0.0012 of pixels 0 … 1: paper"),
    Entry("MahalanobisODIN", reads.IMAGES_FITTED_ON_FEATURES, TRAIN, library.MahalanobisODIN,
          lambda p: (p.frozen_encoder, 0.002 * NETWORK_RANGE), "ε = 0.002 of pixels 0 … 1: library"),
    Entry("NACUE", reads.IMAGES, FEW, library.NACUE,
          lambda p: (p.classifier, list(p.model.trunk.stages)), "50 bins, α = 100, O* = 50: library"),
)
# fmt: on
for _entry in (*OWN, *POSTHOC):
    DETECTORS.add(_entry.name, _entry, __name__)

UNSUITABLE = {
    "MCD": "needs dropout in the network; EuiNet has none, so all its passes would be the same",
    "MCM": "needs a text encoder that names the classes, as in CLIP",
    "WeightedEBO": "needs class weights that VOS's training learns; with equal weights it is EnergyBased",
}
"""pytorch-ood's other detectors, and why they do not suit a plain image classifier."""
