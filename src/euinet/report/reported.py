"""What the student report states, as data, each with the place where it stands.

The numbers hold for MNIST with digit 0 held out and for nothing else; `ReportedValues.applies_to`
decides whether a run may be set beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from euinet.records import EvaluationRecord


@dataclass(frozen=True)
class ReportedSetting:
    """One hyperparameter of section 4.1; `key` is its dotted place in `EvaluationRecord.settings`."""

    name: str
    value: float
    key: str


@dataclass(frozen=True)
class ReportedValues:
    """The report's results."""

    dataset: str
    unknown_classes: tuple[int, ...]
    title: str
    accuracy_unknown: float  # percent, figure 21, "0"
    accuracy_known: float  # percent, figure 21, "1~9"
    known_label: str  # how figure 21 names the known classes
    disc_score_medians: tuple[float, ...]  # figure 19, by class number: h, 0 … 1
    max_to_second_medians: tuple[float, ...]  # figure 19, difference of two probabilities
    settings: tuple[ReportedSetting, ...]  # section 4.1

    def applies_to(self, record: EvaluationRecord) -> bool:
        """Return whether the run used the report's data set and held out the report's classes."""
        return record.dataset == self.dataset and record.unknown_classes == self.unknown_classes


EUINET_REPORT = ReportedValues(
    dataset="mnist",
    unknown_classes=(0,),
    title="Out of distribution Detection method for a MNIST classification",
    accuracy_unknown=96.9353,
    accuracy_known=99.5853,
    known_label="1~9",
    disc_score_medians=(
        *(1.0, 6.051204e-02, 5.6319936e-05, 1.9545769e-05, 0.00036736636),
        *(5.046315e-05, 2.382453e-04, 9.088801e-04, 5.7197027e-05, 7.878914e-06),
    ),
    max_to_second_medians=(
        *(2.7290732e-04, 2.034545e-03, 2.3321658e-03, 2.2342727e-03, 2.30439e-03),
        *(2.589155e-03, 2.8864443e-03, 2.0839795e-03, 1.7445087e-03, 2.0312928e-03),
    ),
    settings=(
        ReportedSetting("EuiNet: learning rate", 2e-4, "training.optimizer.learning_rate"),
        ReportedSetting("EuiNet: factor on that learning rate", 1.0, "training.rate_factor"),
        ReportedSetting("EuiNet: Adam β₁", 0.5, "training.optimizer.beta1"),
        ReportedSetting("EuiNet: Adam β₂", 0.599, "training.optimizer.beta2"),
        ReportedSetting("Generator: learning rate", 1e-4, "gan.generator_optimizer.learning_rate"),
        ReportedSetting("Generator: Adam β₁", 0.35, "gan.generator_optimizer.beta1"),
        ReportedSetting("Generator: Adam β₂", 0.699, "gan.generator_optimizer.beta2"),
        ReportedSetting("GAN discriminator: learning rate", 1e-4, "gan.disc_optimizer.learning_rate"),
        ReportedSetting("GAN discriminator: Adam β₁", 0.35, "gan.disc_optimizer.beta1"),
        ReportedSetting("GAN discriminator: Adam β₂", 0.699, "gan.disc_optimizer.beta2"),
        ReportedSetting("Temperature factor T, training", 1e-3, "training.temperature"),
        ReportedSetting("Temperature factor T, inference", 1e-3, "scoring.temperature"),
        ReportedSetting("Discriminator scale α (eq. 4)", 0.004, "scoring.disc_scale"),
        ReportedSetting("Discriminator shift γ (eq. 4)", 0.008, "scoring.disc_shift"),
        ReportedSetting("Perturbation coefficient ε", 0.3, "scoring.epsilon"),
    ),
)
"""The report's sections 4.1 and 4.2."""
