from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from pytorch_ood import detector as library
from pytorch_ood.api import Detector
from sklearn.metrics import roc_auc_score
from torch import Tensor

from euinet.detectors import (
    DETECTORS,
    OWN,
    POSTHOC,
    Entry,
    Scored,
    Subject,
    choose_detectors,
    score_detectors,
)
from euinet.detectors.parts import Parts
from euinet.detectors.passes import ImageBatches
from euinet.detectors.reads import FittedOn
from euinet.errors import TrainingError, UsageError
from euinet.networks import to_network_range
from euinet.scoring.comparison import euinet_decision

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def scored(subject: Subject, sets: Mapping[str, Tensor]) -> Scored:
    return score_detectors(subject, sets, choose_detectors("all"))


def library_detector(entry: Entry, subject: Subject) -> Detector:
    """The detector as one would use it without this package: on the images, by `fit` and `predict` alone."""
    parts = Parts.of(subject)
    if entry.kind is library.GradNorm:
        detector = library.GradNorm(parts.classifier, lambda name: name == "model.classifier.weight")
    elif entry.kind is library.GradUncertainty:
        detector = library.GradUncertainty(parts.classifier, lambda name: "model.classifier" in name)
    elif entry.name == "OpenMax":
        detector = library.OpenMax(parts.classifier)
    else:
        detector = entry.make(parts)
    detector.to(CPU)
    if entry.fitted_on is not FittedOn.NOTHING:
        known = subject.validation if entry.fitted_on is FittedOn.VALIDATION else subject.train
        torch.manual_seed(0)
        detector.fit(ImageBatches(known, CPU, size=50))
    return detector


@pytest.mark.parametrize("entry", [*OWN, *POSTHOC], ids=lambda entry: entry.name)
def test_the_shared_pass_gives_what_each_detector_gives_on_its_own(
    entry: Entry, scored: Scored, subject: Subject, sets: Mapping[str, Tensor]
) -> None:
    detector = library_detector(entry, subject)
    for name, images in sets.items():
        own = detector.predict(to_network_range(images)).detach().numpy()
        found = scored.scores[name][entry.name]
        assert found.shape == (150,)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, own, rtol=1e-4, atol=1e-5 * np.abs(own).max())
        assert found.std() > 0


def test_scores_do_not_depend_on_the_other_images(
    scored: Scored, subject: Subject, sets: Mapping[str, Tensor]
) -> None:
    few = [3, 77, 140]
    alone = score_detectors(subject, {"few": sets["unknown"][few]}, DETECTORS.names())
    for name in DETECTORS.names():
        whole = scored.scores["unknown"][name]
        np.testing.assert_allclose(
            alone.scores["few"][name], whole[few], rtol=1e-4, atol=1e-5 * np.abs(whole).max(), err_msg=name
        )


NOT_ON_THIS_SET = {
    "RankFeat",  # what it takes away, the strongest component, is all that tells a bright quadrant from noise
    "DICE",  # masks 90 % of 48 weights: 5 are left
}


@pytest.mark.parametrize("name", sorted(set(DETECTORS.names()) - NOT_ON_THIS_SET))
def test_noise_is_further_out_than_what_is_known(name: str, scored: Scored) -> None:
    known, unknown = (scored.scores[part][name] for part in ("known", "unknown"))
    labels = np.r_[np.zeros(len(known)), np.ones(len(unknown))]
    assert roc_auc_score(labels, np.r_[known, unknown]) > 0.8


def test_euinets_score_is_what_it_decides_by(
    scored: Scored, subject: Subject, sets: Mapping[str, Tensor]
) -> None:
    for name, images in sets.items():
        decision = euinet_decision(subject.model, images, subject.settings, subject.logit_range)
        # a pixel whose gradient is 0 but for rounding may be moved the other way: a ten-thousandth of a score
        np.testing.assert_allclose(scored.scores[name]["EuiNet"], decision.ood_score, rtol=0, atol=5e-5)


def test_the_time_goes_to_the_detectors_and_to_the_passes_they_share(scored: Scored) -> None:
    assert tuple(scored.seconds) == DETECTORS.names()
    assert set(scored.pass_seconds) == {"plain", "perturbed"}
    assert all(seconds > 0 for seconds in (*scored.seconds.values(), *scored.pass_seconds.values()))


def test_an_unread_pass_is_not_made(subject: Subject, sets: Mapping[str, Tensor]) -> None:
    only = score_detectors(subject, sets, ["GAN discriminator"])
    assert only.pass_seconds == {"plain": 0, "perturbed": 0}
    perturbed_only = score_detectors(subject, sets, ["EuiNet"])
    assert perturbed_only.pass_seconds["plain"] == 0


def test_nothing_of_the_caller_is_changed(subject: Subject, sets: Mapping[str, Tensor]) -> None:
    before = {name: value.clone() for name, value in subject.model.state_dict().items()}
    stream = torch.random.get_rng_state()
    score_detectors(subject, sets, DETECTORS.names())
    assert torch.equal(torch.random.get_rng_state(), stream)
    for name, value in subject.model.state_dict().items():
        assert torch.equal(value, before[name])
    assert not subject.model.training
    assert all(parameter.requires_grad for parameter in subject.model.parameters())
    assert all(parameter.grad is None for parameter in subject.model.parameters())


def test_the_same_at_every_call_whatever_was_drawn_before(
    scored: Scored, subject: Subject, sets: Mapping[str, Tensor]
) -> None:
    torch.manual_seed(12345)
    names = ["KNN", "NNGuide", "Gram"]  # fitted on a random choice, or on a split of their own
    again = score_detectors(subject, sets, names)
    for name in names:
        assert np.array_equal(again.scores["unknown"][name], scored.scores["unknown"][name])


# --- what goes wrong -----------------------------------------------------------------------------


def with_bias(subject: Subject, label: int, value: float) -> Subject:
    model = copy.deepcopy(subject.model)
    with torch.no_grad():
        model.get_parameter("classifier.bias")[label] = value
    return replace(subject, model=model)


def test_a_score_that_is_no_number_names_its_detector(subject: Subject, sets: Mapping[str, Tensor]) -> None:
    with pytest.raises(TrainingError, match="'MaxLogit' gives 150 of the 150 images of 'known'"):
        score_detectors(with_bias(subject, 1, math.nan), sets, ["GAN discriminator", "MaxLogit"])


def test_a_detector_that_cannot_be_fitted_is_named(subject: Subject, sets: Mapping[str, Tensor]) -> None:
    never_two = with_bias(subject, 2, -1e6)
    with pytest.raises(TrainingError, match=r"'SHE' cannot be fitted.*No correct predictions for class 2"):
        score_detectors(never_two, sets, ["SHE"])


def test_a_missing_discriminator_is_said_to_be_missing(subject: Subject, sets: Mapping[str, Tensor]) -> None:
    saved = replace(subject, gan_discriminator=None)
    for name in ("GAN discriminator", "one discriminator"):
        with pytest.raises(UsageError, match="saved models do not keep it"):
            score_detectors(saved, sets, [name])
    assert set(score_detectors(saved, sets, ["MaxLogit"]).scores["known"]) == {"MaxLogit"}


def test_an_unknown_name_is_refused(subject: Subject, sets: Mapping[str, Tensor]) -> None:
    with pytest.raises(UsageError, match="no detector 'MaxLogits'"):
        score_detectors(subject, sets, ["MaxLogits"])


def test_only_an_euinet_can_be_judged(subject: Subject) -> None:
    with pytest.raises(TypeError, match="must be an EuiNet, not Linear"):
        replace(subject, model=torch.nn.Linear(2, 2))


def test_few_images_suffice_for_every_detector(subject: Subject, sets: Mapping[str, Tensor]) -> None:
    small = replace(subject, train=subject.train.where(np.arange(30)))  # KNN asks for 50 elsewhere
    score_detectors(small, {"known": sets["known"][:5]}, choose_detectors("posthoc"))
