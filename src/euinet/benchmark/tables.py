"""The benchmark's three tables, worked out from results alone.

Every mean is over seeds; where it is over splits too, it is first taken within each seed, so that the
interval is that of seeds.
"""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from euinet.benchmark.intervals import Interval, interval, paired_difference
from euinet.benchmark.results import OWN, TEST
from euinet.benchmark.study import Measure, Study, of_row, over_seeds, over_splits


@dataclass(frozen=True)
class ClassRow:
    """EuiNet with one split held out, beside the best rival there."""

    split: str
    auroc: Interval
    fpr95: Interval
    ood_accuracy: Interval
    id_accuracy: Interval
    closed_set_accuracy: Interval
    rival: str | None  # of the rivals, the one with the largest mean AUROC on this split
    rival_auroc: Interval | None
    difference: Interval | None  # AUROC, EuiNet − rival, paired by seed


@dataclass(frozen=True)
class DetectorRow:
    """One detector over all splits."""

    detector: str
    auroc: Interval
    fpr95: Interval
    ood_accuracy: Interval
    id_accuracy: Interval
    oscr: Interval
    worst_split: str
    worst_auroc: float  # mean over seeds
    far_auroc: tuple[tuple[str, Interval], ...]
    difference: Interval | None  # AUROC, EuiNet − this one, paired by seed; None for EuiNet
    score_seconds: float  # a cell


@dataclass(frozen=True)
class FarRow:
    """One detector on one far set, over all splits."""

    far_set: str
    detector: str
    auroc: Interval
    worst_auroc: float
    worst_auroc_cell: str
    fpr95: Interval
    worst_fpr95: float
    ood_accuracy: Interval
    worst_ood_accuracy: float


def class_rows(study: Study) -> tuple[ClassRow, ...]:
    """Return a row for each split, the one with EuiNet's lowest mean AUROC first."""
    rows = []
    for split in study.splits:

        def mean(measure: Measure, split: str = split) -> Interval:
            return interval(over_seeds(study, split, measure))

        own = over_seeds(study, split, of_row("auroc", OWN))
        rival = _best({name: mean(of_row("auroc", name)).mean for name in study.rivals})
        theirs = over_seeds(study, split, of_row("auroc", rival)) if rival else None
        rows.append(
            ClassRow(
                split=split,
                auroc=interval(own),
                fpr95=mean(of_row("fpr95", OWN)),
                ood_accuracy=mean(of_row("ood_accuracy", OWN)),
                id_accuracy=mean(of_row("id_accuracy", OWN)),
                closed_set_accuracy=mean(lambda result: result.closed_set_accuracy),
                rival=rival,
                rival_auroc=interval(theirs) if theirs else None,
                difference=paired_difference(own, theirs) if theirs else None,
            )
        )
    return tuple(sorted(rows, key=lambda row: row.auroc.mean))


def detector_rows(study: Study) -> tuple[DetectorRow, ...]:
    """Return EuiNet's row, then the others by falling mean AUROC; none without a complete seed."""
    if not study.complete:
        return ()
    own = over_splits(study, of_row("auroc", OWN))
    rows = []
    for detector in study.detectors:
        auroc = over_splits(study, of_row("auroc", detector))
        worst_split, worst = _worst_split(study, detector)
        rows.append(
            DetectorRow(
                detector=detector,
                auroc=interval(auroc),
                fpr95=_mean(study, "fpr95", detector),
                ood_accuracy=_mean(study, "ood_accuracy", detector),
                id_accuracy=_mean(study, "id_accuracy", detector),
                oscr=_mean(study, "oscr", detector),
                worst_split=worst_split,
                worst_auroc=worst,
                far_auroc=tuple((name, _mean(study, "auroc", detector, name)) for name in study.far_sets),
                difference=None if detector == OWN else paired_difference(own, auroc),
                score_seconds=_mean(study, "score_seconds", detector).mean,
            )
        )
    return tuple(sorted(rows, key=lambda row: (row.detector != OWN, -row.auroc.mean)))


def far_rows(study: Study) -> tuple[FarRow, ...]:
    """Return for each far set EuiNet's row and that of the rival with the largest mean AUROC on it."""
    if not study.complete:
        return ()
    rows = []
    for name in study.far_sets:
        means = {rival: _mean(study, "auroc", rival, name).mean for rival in study.rivals}
        rival = _best(means)
        rows += [_far_row(study, name, detector) for detector in (OWN, rival) if detector]
    return tuple(rows)


def _far_row(study: Study, far_set: str, detector: str) -> FarRow:
    cells = [result for found in study.complete.values() for result in found]
    auroc = of_row("auroc", detector, far_set)
    worst = min(cells, key=auroc)
    return FarRow(
        far_set=far_set,
        detector=detector,
        auroc=_mean(study, "auroc", detector, far_set),
        worst_auroc=auroc(worst),
        worst_auroc_cell=worst.cell,
        fpr95=_mean(study, "fpr95", detector, far_set),
        worst_fpr95=max(map(of_row("fpr95", detector, far_set), cells)),
        ood_accuracy=_mean(study, "ood_accuracy", detector, far_set),
        worst_ood_accuracy=min(map(of_row("ood_accuracy", detector, far_set), cells)),
    )


def _mean(study: Study, name: str, detector: str, unknown_set: str = TEST) -> Interval:
    return interval(over_splits(study, of_row(name, detector, unknown_set)))


def _worst_split(study: Study, detector: str) -> tuple[str, float]:
    """Return the split with the detector's lowest mean AUROC over the complete seeds, and that mean."""
    by_split: dict[str, list[float]] = {}
    for cells in study.complete.values():
        for result in cells:
            by_split.setdefault(result.split, []).append(result.row(detector, TEST).auroc)
    means = {split: statistics.fmean(values) for split, values in by_split.items()}
    worst = min(means, key=lambda split: means[split])
    return worst, means[worst]


def _best(mean_auroc: Mapping[str, float]) -> str | None:
    return max(mean_auroc, key=lambda name: mean_auroc[name]) if mean_auroc else None
