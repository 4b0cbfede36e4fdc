"""How well each kind of unknown images is told apart, with and without a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from euinet.card.groups import AnsweredGroup, Kind
from euinet.judging.metrics import detection_metrics
from euinet.judging.share import Share


@dataclass(frozen=True)
class Detection:
    """One group of unknown images against the known test images."""

    kind: Kind
    name: str
    rejected: Share  # at the model's own threshold
    auroc: float  # the chance that an unknown image looks odder than a known one
    fpr95: float  # known images flagged where 95 % of the unknown ones are caught
    available: int  # images there were
    remark: str | None


def detections(known: AnsweredGroup, unknown: Sequence[AnsweredGroup]) -> tuple[Detection, ...]:
    """Return the measures of each unknown group, in the order given."""
    return tuple(_detection(known, one) for one in unknown)


def _detection(known: AnsweredGroup, unknown: AnsweredGroup) -> Detection:
    scores = np.concatenate([known.answers.ood_score, unknown.answers.ood_score])
    labels = np.concatenate([np.zeros(len(known.group), np.int64), np.full(len(unknown.group), -1, np.int64)])
    measures = detection_metrics(scores, labels)
    group = unknown.group
    return Detection(
        kind=group.kind,
        name=group.name,
        rejected=Share.of(unknown.rejected),
        auroc=measures["auroc"],
        fpr95=measures["fpr95"],
        available=group.available,
        remark=group.remark,
    )
