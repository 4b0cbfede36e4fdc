"""After training on embeddings: weigh the parts of the decision, and estimate what it will catch."""

import torch
from torch import nn

from euinet.foresight.catch import ALPHAS, scored_folds
from euinet.foresight.folds import folds
from euinet.foresight.weights import part_weights
from euinet.model.expected import Expected
from euinet.networks.memory import KnownDistances
from euinet.networks.vectors import VectorTrunk
from euinet.presets import Preset
from euinet.records import LabelledImages


@torch.no_grad()
def foresee(model: nn.Module, known: LabelledImages, preset: Preset, seed: int) -> Expected | None:
    """Set what each distance of an EuiNet's memory counts for, and return what it is expected to catch.

    `known`: the training part, rows (N, F). Returns None, and leaves the weights alike, for a model that has
    no such distances, or classes too few or too small to be held out.
    """
    trunk, memory, penalty = model.trunk, model.memory, preset.training.head_decay
    if not (isinstance(trunk, VectorTrunk) and isinstance(memory, KnownDistances)):
        return None
    if trunk.embed is not None or model.given or penalty == 0:
        return None
    found = folds(
        known,
        trunk.stem,
        memory,
        penalty=penalty * trunk.width,
        tail=preset.scoring.distance_tail,
        seed=seed,
    )
    if not found:
        return None
    weights = torch.from_numpy(part_weights(found))
    memory.weights.copy_(weights[1:] / weights[0])
    scored = scored_folds(found)
    return Expected(
        alphas=ALPHAS,
        classes=tuple(one.label for one in scored),
        caught=tuple(tuple(round(one.caught(alpha), 4) for alpha in ALPHAS) for one in scored),
        auroc=tuple(round(one.auroc(), 4) for one in scored),
    )
