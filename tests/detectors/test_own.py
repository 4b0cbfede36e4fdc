from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from pytorch_ood.api import RequiresFittingException
from pytorch_ood.benchmark import Benchmark
from pytorch_ood.detector import MaxLogit
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.utils.data import ConcatDataset, Dataset, TensorDataset

from euinet.answers import REJECT, PixelArray
from euinet.detectors import Subject
from euinet.detectors.own import (
    EuiNetDetector,
    EuiNetWithoutPerturbation,
    GanDiscriminator,
    MaximumLogit,
    ModelDiscriminator,
    OneDiscriminator,
    StandardisedLogit,
)
from euinet.detectors.passes import ImageBatches
from euinet.networks import as_tensor, to_network_range
from euinet.networks.discriminators import GanDiscriminatorOutputs
from euinet.networks.records import Outputs
from euinet.records import LabelledImages
from euinet.scoring.baselines import ClassifierOnly
from euinet.scoring.comparison import euinet_decision
from euinet.scoring.inference import raw_scores
from euinet.scoring.threshold import LogitRange, fit_logit_range

CPU = torch.device("cpu")


class ByHand(nn.Module):
    """Class logits (m, −m) and fake logit 2·m for an image of mean m."""

    def forward(self, images: Tensor) -> Outputs:
        mean = images.flatten(1).mean(dim=1)
        return Outputs(torch.stack([mean, -mean], dim=1), 2 * mean, mean.unsqueeze(1))


class GanByHand(nn.Module):
    """Real logit 3 − m for an image of mean m."""

    def forward(self, images: Tensor) -> GanDiscriminatorOutputs:
        return GanDiscriminatorOutputs(3 - images.flatten(1).mean(dim=1), images.flatten(1))


IMAGES = torch.tensor([1.0, -0.6]).view(2, 1, 1, 1).expand(2, 1, 2, 2)  # as the networks see them


def test_parts_by_hand() -> None:
    assert MaximumLogit(ByHand()).predict(IMAGES).tolist() == pytest.approx([-1, -0.6])
    h = torch.sigmoid(torch.tensor([2, -1.2]))
    torch.testing.assert_close(ModelDiscriminator(ByHand()).predict(IMAGES), h)
    assert GanDiscriminator(GanByHand()).predict(IMAGES).tolist() == pytest.approx([-2, -3.6])


def test_eq4_by_hand(subject: Subject) -> None:
    plain = subject.settings.model_copy(update={"epsilon": 0.0})
    bounds = LogitRange((4.0, 5.0), (2.0, 3.0))  # best class 0, then 1: 4·1 + 2 = 6 and 5·0.6 + 3 = 6
    h = torch.sigmoid(torch.tensor([2, -1.2]))
    torch.testing.assert_close(
        EuiNetDetector(ByHand(), plain, bounds).predict(IMAGES), 0.004 * h + 0.008 - 0.006
    )
    fake = torch.sigmoid(torch.tensor([-2, -3.6]))
    torch.testing.assert_close(
        OneDiscriminator(ByHand(), GanByHand(), plain, bounds).predict(IMAGES), 0.004 * fake + 0.008 - 0.006
    )
    assert StandardisedLogit(ByHand(), plain, bounds).predict(IMAGES).tolist() == pytest.approx([0.002] * 2)


def test_euinet_is_what_euinet_decides_by(subject: Subject, sets: Mapping[str, PixelArray]) -> None:
    images = np.concatenate(list(sets.values()))
    for kind, settings in (
        (EuiNetDetector, subject.settings),
        (EuiNetWithoutPerturbation, subject.settings.model_copy(update={"epsilon": 0.0})),
    ):
        decision = euinet_decision(subject.model, images, settings, subject.logit_range)
        detector = kind(subject.model, subject.settings, subject.logit_range)
        ood_score = detector.predict(to_network_range(images)).numpy()
        np.testing.assert_allclose(ood_score, decision.ood_score, rtol=0, atol=1e-6)
        rejected = decision.labels == REJECT
        assert rejected[: len(sets["known"])].mean() < 0.3 < 0.9 < rejected[len(sets["known"]) :].mean()
        assert ((ood_score > 0) == rejected).all()


def test_the_perturbation_counts(subject: Subject, sets: Mapping[str, PixelArray]) -> None:
    images = to_network_range(sets["known"])
    with_it, without = (
        kind(subject.model, subject.settings, subject.logit_range).predict(images)
        for kind in (EuiNetDetector, EuiNetWithoutPerturbation)
    )
    assert (with_it < without).float().mean() > 0.9  # it strengthens the prediction


def test_fit_sets_the_range_on_known_images_alone(subject: Subject, sets: Mapping[str, PixelArray]) -> None:
    known, unknown = subject.validation, sets["unknown"]
    labels = np.concatenate([known.labels, np.full(len(unknown), -1)])
    both = LabelledImages(np.concatenate([known.images, unknown]), labels)
    detector = EuiNetDetector(subject.model, subject.settings).fit(ImageBatches(both, CPU, size=50))
    expected = fit_logit_range(raw_scores(subject.model, known.images, subject.settings), subject.settings)
    assert detector.logit_range is not None
    assert detector.logit_range.gain == pytest.approx(expected.gain, rel=1e-4)
    assert detector.logit_range.distance_gain == pytest.approx(expected.distance_gain, rel=1e-4)
    assert min(detector.logit_range.distance_gain) > 0
    assert detector.logit_range.shift == pytest.approx(expected.shift, rel=1e-4, abs=1e-4)


def test_the_standardised_logit_counts_deviations_from_its_classes_mean(subject: Subject) -> None:
    """In whatever range the preset asks for: a per-class one is its point."""
    fixed = subject.settings.model_copy(update={"logit_range": "fixed"})
    known = subject.validation
    detector = StandardisedLogit(subject.model, fixed).fit(ImageBatches(known, CPU))
    with torch.no_grad():
        best, predicted = subject.model(to_network_range(known.images)).class_logits.max(dim=1)
    scores = detector.predict(to_network_range(known.images))
    standardised = torch.empty_like(best)
    for label in range(3):
        own = best[predicted == label]
        standardised[predicted == label] = (own - own.mean()) / own.std()
    slope = torch.stack([scores, standardised]).corrcoef()[0, 1]
    assert slope.item() == pytest.approx(-1, abs=1e-4)


def test_each_discriminator_has_a_range_of_its_own(subject: Subject) -> None:
    assert subject.gan_discriminator is not None
    loader = ImageBatches(subject.validation, CPU)
    one = OneDiscriminator(subject.model, subject.gan_discriminator, subject.settings).fit(loader)
    scores = torch.cat([one.predict(images) for images, _ in loader])
    # of 120 known images known_rejected = 2 % are to be rejected
    assert int((scores > 0).sum()) == 2


def test_not_before_fitting(subject: Subject) -> None:
    for kind in (EuiNetDetector, EuiNetWithoutPerturbation, StandardisedLogit):
        with pytest.raises(RequiresFittingException):
            kind(subject.model, subject.settings).predict(torch.zeros(2, 1, 8, 8))


# --- in pytorch-ood's own benchmark --------------------------------------------------------------


class Quadrants(Benchmark):  # type: ignore[misc]  # pytorch-ood comes without types
    """Known quadrants against noise, as pytorch-ood's benchmarks are made."""

    ood_names = ("noise",)

    def __init__(self, train: LabelledImages, known: PixelArray, unknown: PixelArray) -> None:
        self.train = TensorDataset(to_network_range(train.images), as_tensor(train.labels))
        self.known = TensorDataset(to_network_range(known), torch.zeros(len(known), dtype=torch.int64))
        self.unknown = TensorDataset(to_network_range(unknown), -torch.ones(len(unknown), dtype=torch.int64))

    def train_set(self) -> Dataset[tuple[Tensor, ...]]:
        return self.train

    def test_sets(self, known: bool = True, unknown: bool = True) -> list[Dataset[tuple[Tensor, ...]]]:
        return [ConcatDataset([self.known, self.unknown])]


def test_in_a_pytorch_ood_benchmark(subject: Subject, sets: Mapping[str, PixelArray]) -> None:
    assert subject.gan_discriminator is not None
    benchmark = Quadrants(subject.validation, sets["known"], sets["unknown"])
    model, settings = subject.model, subject.settings
    detectors = [
        EuiNetDetector(model, settings),
        EuiNetWithoutPerturbation(model, settings),
        OneDiscriminator(model, subject.gan_discriminator, settings),
        StandardisedLogit(model, settings),
        MaximumLogit(model),
        ModelDiscriminator(model),
        GanDiscriminator(subject.gan_discriminator),
        MaxLogit(ClassifierOnly(model)),
    ]
    loader = torch.utils.data.DataLoader(benchmark.train_set(), batch_size=50)
    for detector in detectors:
        detector.to("cpu").fit(loader)
    results = benchmark.evaluate(detectors, loader_kwargs={"batch_size": 64})
    assert [row["Detector"] for row in results[:2]] == ["EuiNetDetector", "EuiNetWithoutPerturbation"]
    labels = np.r_[np.zeros(len(sets["known"])), np.ones(len(sets["unknown"]))]
    images = to_network_range(np.concatenate([sets["known"], sets["unknown"]]))
    for row, detector in zip(results, detectors, strict=True):
        expected = roc_auc_score(labels, detector.predict(images).detach().numpy())
        assert row["AUROC"] == pytest.approx(expected, abs=1e-4)
        assert row["AUROC"] > 0.8
    # and the maximum logit is the library's own
    assert results[4]["AUROC"] == pytest.approx(results[-1]["AUROC"], abs=1e-6)
