"""What the numbers say, in sentences worked out from them; "better" only where the interval shows it."""

from __future__ import annotations

from collections.abc import Sequence

from euinet.benchmark.intervals import Interval, paired_difference
from euinet.benchmark.results import OWN, TEST
from euinet.benchmark.tables import ClassRow, DetectorRow, FarRow, Study, of_row, over_seeds

WITHOUT_DISCRIMINATOR = ("standardised logit", "maximum logit")
"""Detectors that are EuiNet's classifier without the model discriminator."""

CHANCE = 0.5


def findings(
    study: Study, classes: Sequence[ClassRow], detectors: Sequence[DetectorRow], far: Sequence[FarRow]
) -> tuple[str, ...]:
    """Return the findings, one to three sentences each, from the rows of the tables."""
    said = [*_below_chance(study), *_weakest(classes), *_best_rival(detectors, study.rivals)]
    plain = [name for name in WITHOUT_DISCRIMINATOR if name in study.detectors]
    return (*said, *(_discriminator(study, classes, name) for name in plain), *_far(far))


def number(value: Interval | float) -> str:
    """Return "0.9712 ± 0.0031", or the mean alone where there is no interval."""
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value.mean:.4f}" + ("" if value.half_width is None else f" ± {value.half_width:.4f}")


def signed(value: Interval) -> str:
    """Return a difference with its sign, "+0.0031 ± 0.0012"."""
    return ("" if value.mean < 0 else "+") + number(value).replace("-", "−")


def _below_chance(study: Study) -> list[str]:
    """EuiNet's scores the wrong way round, or a model that learned nothing: nobody may overlook it."""
    below = [
        f"{result.cell} ({auroc:.4f})"
        for result in study.results
        if (auroc := result.row(OWN, TEST).auroc) < CHANCE
    ]
    return (
        [
            f"WARNING: EuiNet's AUROC is below {CHANCE}, worse than chance, in {', '.join(below)}: its "
            "scores are the wrong way round or its model is broken; do not use these numbers before you know which."
        ]
        if below
        else []
    )


def _weakest(classes: Sequence[ClassRow]) -> list[str]:
    if not classes:
        return []
    weakest, strongest = classes[0], classes[-1]
    strongest_text = f"; strongest: {strongest.split} ({number(strongest.auroc)})" if len(classes) > 1 else ""
    return [f"Weakest with {weakest.split} held out: AUROC {number(weakest.auroc)}{strongest_text}."]


def _best_rival(detectors: Sequence[DetectorRow], rivals: Sequence[str]) -> list[str]:
    best = next((row for row in detectors if row.detector in rivals), None)
    if best is None or best.difference is None:
        return []
    verdict = {1: "EuiNet is better", -1: "EuiNet is worse", 0: "neither is shown to be better"}
    shown = (
        "with one seed nothing is shown"
        if best.difference.half_width is None
        else f"{verdict[best.difference.side]} (paired over {best.difference.count} seeds)"
    )
    return [
        f"Best rival over all splits: {best.detector}, AUROC {number(best.auroc)}; EuiNet − "
        f"{best.detector} = {signed(best.difference)}: {shown}. It is chosen by these very results, which favours it."
    ]


def _discriminator(study: Study, classes: Sequence[ClassRow], plain: str) -> str:
    """Say where EuiNet beats the same classifier without the model discriminator, and where not."""
    gains = {
        row.split: paired_difference(
            over_seeds(study, row.split, of_row("auroc", OWN)),
            over_seeds(study, row.split, of_row("auroc", plain)),
        )
        for row in classes
    }
    if all(gain.half_width is None for gain in gains.values()):
        better = sum(gain.mean > 0 for gain in gains.values())
        return (
            f"EuiNet against its {plain} alone: a larger AUROC with {better} of {len(gains)} splits held "
            "out; with one seed it is not known whether that is chance."
        )
    adds, nothing, harms = ([s for s, gain in gains.items() if gain.side == side] for side in (1, 0, -1))
    parts = [
        f"{what} on {', '.join(f'{split} ({signed(gains[split])})' for split in splits)}"
        for what, splits in (("adds", adds), ("adds nothing that shows", nothing), ("harms", harms))
        if splits
    ]
    return f"EuiNet against its {plain} alone, AUROC paired by seed: the rest of EuiNet {'; '.join(parts)}."


def _far(far: Sequence[FarRow]) -> list[str]:
    own = [row for row in far if row.detector == OWN]
    if not own:
        return []
    hardest = min(own, key=lambda row: row.auroc.mean)
    return [
        f"Hardest far set for EuiNet: {hardest.far_set}, AUROC {number(hardest.auroc)}, at worst "
        f"{hardest.worst_auroc:.4f} ({hardest.worst_auroc_cell}); rejected there on average: "
        f"{number(hardest.ood_accuracy)}."
    ]
