"""How long all detectors take on one model: `python -m contenders.detectors shared|one-by-one`.

All of pytorch-ood's that the benchmark compares, on the bundled model mnist-without-0 and MNIST: fitted on
N known images and scoring N more. `shared`: as `euinet benchmark` runs them, over passes that they
share; `one-by-one`: each by the library's own `fit` and `predict` on the images, in the default layout.
"""

from __future__ import annotations

import copy
import sys
import time
from dataclasses import replace

import numpy as np
import torch
from pytorch_ood import detector as library
from pytorch_ood.api import Detector

import euinet
from contenders.common import as_torch_has_it, tell
from euinet.data.sets.datasets import load_dataset
from euinet.data.split.holdout import split_dataset
from euinet.detectors import POSTHOC, Entry, Subject, score_detectors
from euinet.detectors.parts import Parts
from euinet.detectors.passes import ImageBatches
from euinet.detectors.reads import FittedOn
from euinet.records import LabelledImages
from euinet.system.allocator import keep_freed_memory

KNOWN, SCORED, BATCH = 4000, 4000, 256
CPU = torch.device("cpu")


def subject() -> tuple[Subject, LabelledImages]:
    """Return the model with known images to fit on, and the images to score."""
    model = euinet.load("mnist-without-0").torch()
    split = split_dataset(load_dataset("mnist"), (0,), model.card.preset.data, 0)
    known, scored = (
        part.where(np.arange(count)) for part, count in ((split.train, KNOWN), (split.test, SCORED))
    )
    validation = split.validation.where(np.arange(1000))
    settings, logit_range = model.card.preset.scoring, model.card.logit_range
    return Subject(model.network, None, settings, logit_range, known, validation), scored


def own_loop(entry: Entry, parts: Parts) -> Detector:
    """Return the library's detector on whole networks, fitted by its own loop."""
    if entry.kind is library.GradNorm:
        detector: Detector = library.GradNorm(
            parts.classifier, lambda name: name == "model.classifier.weight"
        )
    elif entry.kind is library.GradUncertainty:
        detector = library.GradUncertainty(parts.classifier, lambda name: "model.classifier" in name)
    elif entry.name == "OpenMax":
        detector = library.OpenMax(parts.classifier)
    else:
        detector = entry.make(parts)
    if entry.fitted_on is not FittedOn.NOTHING:
        known = parts.subject.validation if entry.fitted_on is FittedOn.VALIDATION else parts.subject.train
        torch.manual_seed(0)
        detector.fit(ImageBatches(known, CPU, size=BATCH))
    return detector


def one_by_one(judged: Subject, scored: LabelledImages) -> None:
    """Fit and score, one detector after the other."""
    network = copy.deepcopy(judged.model).float().eval()
    as_torch_has_it(network)
    for entry in POSTHOC:
        parts = Parts(judged, copy.deepcopy(network))  # type: ignore[arg-type]
        detector = own_loop(entry, parts)
        for images, _ in ImageBatches(scored, CPU, size=BATCH):
            detector.predict(images)


def main() -> None:
    """Measure one contender."""
    who = sys.argv[1]
    if who == "shared":
        keep_freed_memory()
    judged, scored = subject()
    started = time.perf_counter()
    if who == "shared":
        score_detectors(replace(judged), {"images": scored.images}, [entry.name for entry in POSTHOC])
    else:
        one_by_one(judged, scored)
    tell(seconds=time.perf_counter() - started, detectors=len(POSTHOC))


if __name__ == "__main__":
    main()
