"""Every detector fitted on known images, then all of them run over the same batches of each set."""

from collections.abc import Mapping, Sequence

import torch
from pytorch_ood.api import Detector
from torch import Tensor

from euinet.answers import FloatArray, PixelArray
from euinet.detectors.catalogue import DETECTORS, Entry
from euinet.detectors.own import EuiNetDetector
from euinet.detectors.parts import Parts
from euinet.detectors.passes import PERTURBED, PLAIN, KnownImages, ReadBatch, few_positions, gather
from euinet.detectors.reads import FittedOn
from euinet.detectors.stopwatch import Stopwatch
from euinet.detectors.subject import Scored, Subject
from euinet.errors import TrainingError
from euinet.scoring.comparison import check_finite
from euinet.scoring.inference import in_batches
from euinet.system.notify import Notify

SEED = 0  # of the choice of 10,000 images, and of Gram's own split


def score_detectors(
    subject: Subject, images: Mapping[str, PixelArray], names: Sequence[str], notify: Notify | None = None
) -> Scored:
    """Fit the detectors `names` on `subject`'s known images and score every set of `images`.

    `images` are uint8 (N, C, H, W). The scores do not depend on the order of names, sets or images. Raises
    UsageError for an unknown name, or one that needs a GAN discriminator the subject lacks; TrainingError
    naming the detector that cannot be fitted to this model or gives a score that is no finite number.
    """
    clock, parts = Stopwatch(), Parts.of(subject)
    known = _known_images(parts, clock)
    entries = [DETECTORS[name] for name in names]
    if notify:
        notify(f"Fitting {len(entries)} detectors …")
    detectors = [_fitted(one, parts, known, clock) for one in entries]
    scores = {}
    for set_name, stored in images.items():
        if notify:
            notify(f"Scoring the {len(stored)} images of '{set_name}' with {len(entries)} detectors …")
        scores[set_name] = _score_set(entries, detectors, parts, stored, clock)
        for name, ood_score in scores[set_name].items():
            check_finite(name, ood_score, f"'{set_name}'")
    return Scored(
        scores=scores,
        seconds={one.name: clock.seconds[one.name] for one in entries},
        pass_seconds={name: clock.seconds[name] for name in (PLAIN, PERTURBED)},
    )


def _known_images(parts: Parts, clock: Stopwatch) -> dict[FittedOn, KnownImages]:
    """Return the known images by what is fitted on them; the few share the training images' pass."""
    model, subject = parts.model, parts.subject
    device = next(model.parameters()).device
    positions = few_positions(subject.train.labels, seed=SEED)
    train = KnownImages(subject.train, device, lambda: gather(model, subject.train.images, clock))
    few = KnownImages(subject.train.where(positions), device, lambda: train.gathered.where(positions))
    validation = KnownImages(
        subject.validation, device, lambda: gather(model, subject.validation.images, clock)
    )
    return {FittedOn.TRAIN: train, FittedOn.FEW: few, FittedOn.VALIDATION: validation}


def _fitted(one: Entry, parts: Parts, known: Mapping[FittedOn, KnownImages], clock: Stopwatch) -> Detector:
    """Return the entry's detector, fitted; the same at every call, whatever was drawn at random before."""
    with clock.charge(one.name), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)
        detector = one.make(parts).to(next(parts.model.parameters()).device)
        if one.fitted_on is not FittedOn.NOTHING:
            try:
                one.reads.fit(detector, known[one.fitted_on])
            except (ValueError, AssertionError, torch.linalg.LinAlgError) as error:  # type: ignore[attr-defined]
                raise TrainingError(
                    f"The detector '{one.name}' cannot be fitted to this model: {error or repr(error)}. "
                    "Leave it out, or train longer or on more images."
                ) from error
    return detector


def _score_set(
    entries: Sequence[Entry],
    detectors: Sequence[Detector],
    parts: Parts,
    stored: PixelArray,
    clock: Stopwatch,
) -> dict[str, FloatArray]:
    """Return each detector's scores (N,) of uint8 images (N, C, H, W), a batch at a time."""
    perturbed = EuiNetDetector(parts.model, parts.subject.settings).perturbed

    @torch.no_grad()
    def score(inputs: Tensor) -> tuple[Tensor, ...]:
        batch = ReadBatch(parts.model, inputs, perturbed, clock)
        columns = []
        for one, detector in zip(entries, detectors, strict=True):
            with clock.charge(one.name):
                columns.append(one.reads.score(detector, batch))
        return tuple(columns)

    columns = in_batches(score, stored, next(parts.model.parameters()).device)
    return {one.name: column.numpy() for one, column in zip(entries, columns, strict=True)}
