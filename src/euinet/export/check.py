"""An exported file is kept only if it answers as the model does: on images that no data set is needed for."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from euinet.augmentations.outliers import noise
from euinet.errors import EuiNetError, ExportError
from euinet.model.decision_file import EMBEDDING, OUTPUTS
from euinet.model.model import Model
from euinet.model.sound import unsound
from euinet.networks.vectors import VectorTrunk
from euinet.records import Decision
from euinet.scoring.inference import in_batches, read_perturbed
from euinet.scoring.joint import apply_temperature
from euinet.trained.model import TrainedModel

TOLERANCE = 1e-4
# Where there is a perturbation: the share of images, rounded up, that may differ by more, and by how much.
JUMPS, JUMP = 0.25, 1e-2
IMAGES = 24
BATCHES = (1, 7, IMAGES)  # the answer must not depend on how many come together, nor be made for one number

Outputs = dict[str, npt.NDArray[Any]]


def check_decision(model: TrainedModel, content: bytes) -> None:
    """Raise ExportError unless a decision file's `content` answers as `model` does, on the CPU.

    The images are noise, clouds and blobs. Scores must agree to 1e-4 (see `differs`), and labels where the
    `ood_score` is not as near to its threshold; so must the perturbed images and their features. Within the
    file labels and p-values must follow from its scores exactly.
    """
    images = probe_images(model)
    expected = model.decide(images)
    try:
        decided = Model(content, "the exported file")
        for count in BATCHES:
            found = decided.run(images[:count].numpy(), OUTPUTS)
            problems = (
                differs(model, expected, found, count),
                contradicts(model, found),
                reads_otherwise(model, images[:count], found),
            )
            for problem in problems:
                if problem is not None:
                    raise ExportError(
                        f"The exported file does not answer as the network does ({problem}), so it was not "
                        "kept."
                    )
    except ExportError:
        raise
    except EuiNetError as error:
        raise ExportError(f"The exported file cannot be used, so it was not kept: {error}") from error


def probe_images(model: TrainedModel) -> Tensor:
    """Return IMAGES uint8 images in the model's size, the same each time: noise, clouds and blobs.

    Of a model that reads embeddings, as many rows of normal numbers, spread as its training rows are and
    more: some that look known, and some that do not.
    """
    card = model.card
    if card.width:
        drawn = torch.randn(IMAGES, card.width, generator=torch.Generator().manual_seed(0))
        drawn *= torch.linspace(0.1, 3, IMAGES).unsqueeze(1)
        trunk = model.network.trunk
        known = trunk.stem.back(drawn[:, : trunk.width]) if isinstance(trunk, VectorTrunk) else drawn
        return torch.cat([known, drawn[:, known.shape[1] :]], dim=1)
    size = (IMAGES, card.channels, card.image_size, card.image_size)
    drawn = noise(torch.empty(size), torch.empty(size), torch.Generator().manual_seed(0))
    return ((drawn + 1) * 127.5).round().to(torch.uint8)


def differs(model: TrainedModel, expected: Decision, found: Outputs, count: int) -> str | None:
    """Return what the file says otherwise of the first `count` images than the model; None: nothing.

    Scores may differ by 1e-4 of their image's largest and 1e-4 times the temperature: at T = 10⁻³ all scores
    of an image lie within a few hundredths, where 1e-4 would hide a great deal. With a perturbation a few
    images may differ by a hundredth: its direction jumps where a ReLU's input is 0 but for rounding. On real
    MNIST that is one image in a thousand, and torch is as far from the exact result there.
    """
    largest = np.abs(expected.scores[:count]).max(axis=1)
    settings = model.card.preset.scoring
    unit = float(apply_temperature(torch.tensor(1.0), settings.temperature, settings.temperature_rule))
    close = TOLERANCE * (min(unit, 1.0) + largest)
    jump, jumps = (JUMP * largest, math.ceil(JUMPS * count)) if settings.epsilon > 0 else (0.0, 0)
    loose = np.maximum(close, jump)
    difference = np.abs(found["scores"] - expected.scores[:count]).max(axis=1)
    difference = np.maximum(difference, np.abs(found["ood_score"] - expected.ood_score[:count]))
    # "not ≤", so that what is not a number counts as a difference
    if not (difference <= loose).all() or np.count_nonzero(~(difference <= close)) > jumps:
        return f"scores differ by {difference.max():.2g}"
    for name, wanted in (("probabilities", expected.probabilities), ("disc_score", expected.disc_score)):
        apart = np.abs(found[name] - wanted[:count]).reshape(count, -1).max(axis=1)
        if not (apart <= np.maximum(loose, TOLERANCE)).all():
            return f"{name} differs by {apart.max():.2g}"
    clear = np.abs(expected.ood_score - expected.threshold)[:count] > loose
    if (found["label"] != expected.labels[:count])[clear].any():
        return "labels differ"
    best, second = (np.sort(expected.scores[:count, 1:], axis=1)[:, place] for place in (-1, -2))
    if (found["best_class"] != expected.classifier_labels[:count])[best - second > loose].any():
        return "the classifier's own choices differ"
    return None


def reads_otherwise(model: TrainedModel, images: Tensor, found: Outputs) -> str | None:
    """Return where the file's perturbed images or features are not the model's; None: nowhere.

    They may differ as scores may (see `differs`): where a direction jumps, the pixel changes by two steps.
    """
    settings = model.card.preset.scoring
    count = len(images)
    jumps = math.ceil(JUMPS * count) if settings.epsilon > 0 else 0

    def read(inputs: Tensor) -> tuple[Tensor, ...]:
        reading = read_perturbed(model.folded, inputs, settings)
        return reading.perturbed, reading.features

    wanted = in_batches(read, images, torch.device("cpu"))
    for name, tensor in zip(("perturbed", "features"), wanted, strict=True):
        values = tensor.numpy().reshape(count, -1)
        apart = np.abs(found[name].reshape(count, -1) - values).max(axis=1)
        close = apart <= TOLERANCE * (1 + np.abs(values).max(axis=1))
        if np.count_nonzero(~close) > jumps:
            return f"{name} differ by {apart.max():.2g}"
    return None


def contradicts(model: TrainedModel, found: Outputs) -> str | None:
    """Return where the file's answers are none, or do not follow from its own scores; None: nowhere."""
    return next(filter(None, unsound(found, model.calibration or None, len(model.card.class_names))), None)


def check_whole(content: bytes, decision: bytes) -> None:
    """Raise ExportError unless a file with a backbone decides as the decision on its embeddings does."""
    try:
        whole, alone = Model(content, "the exported file"), Model(decision, "the exported decision")
        images = np.random.default_rng(0).integers(0, 256, (3, *whole.card.input_shape), np.uint8)
        found = whole.run(images, (EMBEDDING, *OUTPUTS))
        expected = alone.run(found[EMBEDDING], OUTPUTS)
    except EuiNetError as error:
        raise ExportError(f"The exported file cannot be used, so it was not kept: {error}") from error
    for name in ("scores", "features", "disc_score"):
        apart = np.abs(found[name] - expected[name]).max()
        if not apart <= TOLERANCE * (1 + np.abs(expected[name]).max()):
            raise ExportError(
                f"The exported file does not decide as its parts do ({name} differs by {apart:.2g}), so it "
                "was not kept."
            )
