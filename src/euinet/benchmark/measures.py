"""From scores to the rows of a cell: every detector on every set of unknown images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from euinet.answers import FloatArray, IntArray
from euinet.benchmark.results import OWN, TEST, Row
from euinet.judging.metrics import decide_at, detection_metrics, id_accuracy, ood_accuracy, oscr
from euinet.scoring.baselines import threshold_accepting

VALIDATION = "validation"


@dataclass(frozen=True)
class CellScores:
    """What the detectors and the classifier say in one cell.

    The sets of `scores` are VALIDATION, TEST and the far sets, in this order.
    """

    scores: Mapping[str, Mapping[str, FloatArray]]  # set → detector → (N,), higher = more OOD
    seconds: Mapping[str, float]  # by detector
    answers: IntArray  # (N,), the classifier's on the test images as they are, without the reject option
    own_answers: IntArray  # (N,), the same after EuiNet's perturbation: EuiNet answers after it


def measure(
    scored: CellScores, test_labels: IntArray, detectors: Sequence[str], accepted: float
) -> tuple[Row, ...]:
    """Return one row a detector and set of unknown images: the held-out classes, then each far set.

    Every set is judged against the known test images. EuiNet decides as it does (rejected: above 0), each
    other detector at the threshold that accepts the share `accepted` of the known validation images.
    `test_labels` (N,), negative = unknown.
    """
    known = test_labels >= 0
    rows = []
    for detector in detectors:
        own = detector == OWN
        answers = scored.own_answers if own else scored.answers
        validation = torch.from_numpy(scored.scores[VALIDATION][detector])
        threshold = 0.0 if own else threshold_accepting(validation, accepted)
        test_scores = scored.scores[TEST][detector]
        for name, of_set in scored.scores.items():
            ood_score, given, labels = test_scores, answers, test_labels
            if name == VALIDATION:
                continue
            if name != TEST:
                far = of_set[detector]
                ood_score = np.concatenate([test_scores[known], far])
                labels = np.concatenate([test_labels[known], np.full(len(far), -1)])
                # no measure asks which known class an unknown image was taken for
                given = np.concatenate([answers[known], np.zeros(len(far), np.int64)])
            seconds = scored.seconds[detector]
            rows.append(_row(detector, name, ood_score, given, labels, threshold, seconds))
    return tuple(rows)


def _row(
    detector: str,
    unknown_set: str,
    ood_score: FloatArray,
    answers: IntArray,
    labels: IntArray,
    threshold: float,
    seconds: float,
) -> Row:
    decided = decide_at(ood_score, threshold, answers)
    return Row(
        detector=detector,
        unknown_set=unknown_set,
        **detection_metrics(ood_score, labels),
        oscr=oscr(ood_score, answers, labels),
        id_accuracy=id_accuracy(decided, labels),
        ood_accuracy=ood_accuracy(decided, labels),
        threshold=threshold,
        score_seconds=round(seconds, 3),
    )
