"""What goes in and what comes out: one trained model, and how every detector scores every image."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from euinet.answers import FloatArray
from euinet.model.card import LogitRange
from euinet.networks.euinet import EuiNet
from euinet.presets import ScoringSettings
from euinet.records import LabelledImages


@dataclass(frozen=True)
class Subject:
    """One trained model and what its detectors may know: known images alone, and no test image.

    Raises TypeError where `model` is not an EuiNet: pytorch-ood's detectors need its parts by name.
    """

    model: nn.Module  # EuiNet in eval mode
    gan_discriminator: nn.Module | None  # saved models do not keep it
    settings: ScoringSettings
    logit_range: LogitRange
    train: LabelledImages  # known, to fit on
    validation: LabelledImages  # known, not trained on

    def __post_init__(self) -> None:
        if not isinstance(self.model, EuiNet):
            raise TypeError(f"a subject's model must be an EuiNet, not {type(self.model).__name__}")


@dataclass(frozen=True)
class Scored:
    """Every detector's score of every image, and what it cost.

    `seconds` are each detector's own, for fitting and scoring. The passes that several detectors read are
    in `pass_seconds`: "plain", of the images as they are, and "perturbed", of eq. 4's perturbed ones.
    """

    scores: Mapping[str, Mapping[str, FloatArray]]  # set → detector → (N,), higher = more out-of-distribution
    seconds: Mapping[str, float]  # detector → seconds
    pass_seconds: Mapping[str, float]
