"""How many images a second are scored: `python -m contenders.scoring odin-library|odin-euinet|…`.

The network is that of the bundled model mnist-without-0; images are random, for the time does not depend on
them. With the perturbation: ODIN (T = 1000, ε = 0.0012) by pytorch-ood and by this package, and the exported
decision with that ε. Without: the maximum logit of the plain network, this package's decision, the exported
one. `one-…` is one image at a time, in milliseconds.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from pytorch_ood.detector import ODIN, MaxLogit
from torch import Tensor

import euinet
from contenders.common import as_torch_has_it, batches_of, seconds_each, tell
from euinet.export.save import runtime_model
from euinet.networks import to_network_range
from euinet.scoring.baselines import ODIN_EPSILON, ODIN_TEMPERATURE, ClassifierOnly, vanilla_odin_scores
from euinet.scoring.perturbation import NETWORK_RANGE
from euinet.system.allocator import keep_freed_memory
from euinet.trained.model import TrainedModel

IMAGES, TIMES = 2560, 5
BATCHES = (32, 64, 128, 256, 512)  # the library is run with each, and its best counts
ONE = 300  # images, one at a time

Score = Callable[[Tensor], object]


def model(epsilon: float) -> TrainedModel:
    """Return the bundled model, with this ε of pixels 0 … 1."""
    loaded = euinet.load("mnist-without-0").torch()
    scoring = loaded.card.preset.scoring.model_copy(update={"epsilon": epsilon, "pixel_range": 1.0})
    preset = loaded.card.preset.model_copy(update={"scoring": scoring})
    return replace(loaded, card=replace(loaded.card, preset=preset))


def library(*, odin: bool) -> Score:
    """Return pytorch-ood's detector on the network as torch has it by default."""
    network = copy.deepcopy(model(0).network)
    as_torch_has_it(network)
    classifier = ClassifierOnly(network)
    if odin:
        detector = ODIN(classifier, eps=ODIN_EPSILON * NETWORK_RANGE, temperature=ODIN_TEMPERATURE)
        return lambda images: detector.predict(to_network_range(images))
    plain = MaxLogit(classifier)

    @torch.no_grad()
    def score(images: Tensor) -> Tensor:
        scores: Tensor = plain.predict(to_network_range(images))
        return scores

    return score


def exported(epsilon: float) -> Score:
    """Return the exported decision, run by onnxruntime."""
    made = runtime_model(model(epsilon), "exported")
    return lambda images: made.answer(images.numpy())


def contender(who: str) -> Score:
    """Return who scores."""
    if who == "library":
        return library(odin=False)
    if who == "odin-library":
        return library(odin=True)
    keep_freed_memory()
    if who == "odin-euinet":
        network = model(0).network
        return lambda images: vanilla_odin_scores(network, images)
    if who in ("perturbed", "decision"):
        chosen = model(ODIN_EPSILON if who == "perturbed" else 0)
        return lambda images: chosen.answer(images)
    return exported(ODIN_EPSILON if who == "onnx-perturbed" else 0)


def rate(score: Score, images: Tensor, sizes: tuple[int, ...]) -> tuple[float, int]:
    """Return the most images a second over batches of these sizes, and that size."""
    found = []
    for size in sizes:
        parts = batches_of(images, size)
        taken = seconds_each(partial(_score_all, score, parts), TIMES, 1)
        found.append((len(images) / min(taken), size))
    return max(found)


def _score_all(score: Score, parts: list[Tensor]) -> None:
    for part in parts:
        score(part)


def main() -> None:
    """Measure one contender."""
    who = sys.argv[1]
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (IMAGES, 1, 28, 28), dtype=torch.uint8, generator=generator)
    if who == "check":
        ours = vanilla_odin_scores(model(0).network, images[:500]).numpy()
        theirs = contender("odin-library")(images[:500])
        assert isinstance(theirs, Tensor)
        tell(difference=float(np.abs(ours - theirs.numpy()).max()))
    elif who.startswith("one-"):
        score = contender(who.removeprefix("one-"))
        each = batches_of(images[: ONE + 20], 1)
        taken = [1000 * seconds_each(partial(score, image), 1, 0)[0] for image in each][20:]
        tell(p50=float(np.percentile(taken, 50)), p99=float(np.percentile(taken, 99)))
    else:
        own = who in ("odin-euinet", "perturbed", "decision")  # given all images, these batch on their own
        best, size = rate(contender(who), images, (IMAGES,) if own else BATCHES)
        tell(per_second=best, batch=size)


if __name__ == "__main__":
    main()
