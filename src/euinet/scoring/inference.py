"""From stored images to decisions: perturbation, temperature, eq. 4, softmax, in batches."""

from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from euinet.answers import PixelArray
from euinet.data.split.stratify import turn_by_turn
from euinet.model.card import LogitRange
from euinet.networks import as_tensor, channels_last, to_network_range
from euinet.networks.memory import KnownDistances, KnownMemory
from euinet.networks.records import Outputs
from euinet.presets import ScoringSettings
from euinet.records import Decision, LabelledImages
from euinet.scoring.joint import apply_temperature, decide, joint_scores
from euinet.scoring.perturbation import perturb
from euinet.scoring.threshold import RangeTensors, RawScores, apply_logit_range, raw_threshold

SPREAD = 1000  # known images a class that tell how the class spreads
BATCH = 256  # images a pass: larger ones leave the cache; scores do not depend on it


def in_batches(
    function: Callable[[Tensor], Tensor | tuple[Tensor, ...]],
    images: PixelArray | Tensor,
    device: torch.device,
) -> tuple[Tensor, ...]:
    """Apply `function` to stored images (N, C, H, W) or embeddings (N, F) in network range; join on the CPU.

    BATCH of them share a call.
    """
    parts = []
    for start in range(0, len(images), BATCH):
        inputs = to_network_range(as_tensor(images[start : start + BATCH]).to(device))
        result = function(channels_last(inputs))
        result = result if isinstance(result, tuple) else (result,)
        parts.append([part.detach().float().cpu() for part in result])
    return tuple(torch.cat(column) for column in zip(*parts, strict=True))


def raw_scores(model: nn.Module, images: PixelArray | Tensor, settings: ScoringSettings) -> RawScores:
    """Score uint8 images (N, C, H, W): perturb each, then read class logits and h from one forward pass.

    `model` is an EuiNet in eval mode. float32 throughout: training's bf16 would move the scores.
    """

    def score(inputs: Tensor) -> tuple[Tensor, ...]:
        read = perturbed_scores(model, inputs, settings)
        parts = (read.class_logits, read.disc_logits)
        return parts if read.distance is None else (*parts, read.distance)

    return RawScores(*in_batches(score, images, next(model.parameters()).device))


class Reading(NamedTuple):
    """What an EuiNet read and what it said of it, for B images, on its device."""

    raw: RawScores
    perturbed: Tensor  # (B, C, H, W), the images after the perturbation, in the network's −1 … 1
    features: Tensor  # (B, F) of the perturbed images: what the classifier reads


def perturbed_scores(model: nn.Module, images: Tensor, settings: ScoringSettings) -> RawScores:
    """Perturb (B, C, H, W) images in −1 … 1 and return what an EuiNet says of them, on their device."""
    return read_perturbed(model, images, settings).raw


def read_perturbed(model: nn.Module, images: Tensor, settings: ScoringSettings) -> Reading:
    """Return what `perturbed_scores` does with the perturbed images and their features."""

    def scaled_logits(inputs: Tensor) -> Tensor:
        return apply_temperature(model(inputs).class_logits, settings.temperature, settings.temperature_rule)

    perturbed = perturb(images, scaled_logits, settings)
    with torch.no_grad():
        raw, features = read_heads(model, perturbed)
    return Reading(raw, perturbed, features)


def read_heads(model: nn.Module, images: Tensor) -> tuple[RawScores, Tensor]:
    """Return what an EuiNet says of (B, C, H, W) images in −1 … 1, and their features (B, F)."""
    outputs: Outputs = model(images)
    memory = getattr(model, "memory", None)
    distance = None if memory is None else memory(outputs.features)
    return RawScores(outputs.class_logits, outputs.disc_logits, distance), outputs.features


def distance_weights(model: nn.Module) -> list[float]:
    """Return what each distance of an EuiNet's memory counts for beside the best logit; [] where all do."""
    memory = getattr(model, "memory", None)
    found: list[float] = memory.weights.tolist() if isinstance(memory, KnownDistances) else []
    return found


@torch.no_grad()
def remember(model: nn.Module, known: LabelledImages) -> None:
    """Fill the memory of an EuiNet, if it keeps one, with features of known training images."""
    memory = getattr(model, "memory", None)
    if not isinstance(memory, KnownMemory | KnownDistances):
        return
    chosen = turn_by_turn(known.labels)[
        : max(len(memory.rows), SPREAD * (1 + int(known.labels.max(initial=0))))
    ]
    device = next(model.parameters()).device
    found = features_of(model, known.images[chosen]).to(device)
    labels = as_tensor(known.labels[chosen]).to(device)
    if isinstance(memory, KnownDistances):
        memory.remember(found, labels, getattr(model.trunk, "origin", None))
    else:
        memory.remember(found, labels)


@torch.no_grad()
def features_of(model: nn.Module, images: PixelArray | Tensor) -> Tensor:
    """Return (N, F) what the classifier reads of uint8 images (N, C, H, W), unperturbed; on the CPU."""

    def features(inputs: Tensor) -> Tensor:
        return cast(Tensor, model(inputs).features)

    (found,) = in_batches(features, images, next(model.parameters()).device)
    return found


def decide_from_scores(
    raw: RawScores, settings: ScoringSettings, logit_range: LogitRange, thresholds: Tensor | None = None
) -> Decision:
    """Apply logit range, temperature, eq. 4, thresholds (K,) if there are any, and the one softmax."""
    return decide(raw_joint_scores(raw, settings, logit_range), raw.disc_score, thresholds)


def raw_joint_scores(
    raw: RawScores, settings: ScoringSettings, logit_range: LogitRange | RangeTensors
) -> Tensor:
    """Return the joint scores (N, K+1) of what the network said, reject first."""
    scaled = apply_temperature(
        apply_logit_range(logit_range, raw, settings), settings.temperature, settings.temperature_rule
    )
    return joint_scores(scaled, raw_threshold(logit_range, raw, settings))
