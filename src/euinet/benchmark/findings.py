"""What the numbers say, in sentences worked out from them; "better" only where the interval shows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from euinet.benchmark.intervals import number, paired_difference, signed
from euinet.benchmark.results import OWN, TEST
from euinet.benchmark.study import Study, of_row, over_seeds
from euinet.benchmark.tables import ClassRow, DetectorRow, FarRow
from euinet.judging.share import Share
from euinet.judging.verdict import CHANCE, Unknowns, of_unknowns


@dataclass(frozen=True)
class Addition:
    """A part of EuiNet, measured by leaving it out."""

    what: str
    whole: str  # the detector with the part
    rest: str  # the detector without it


ADDITIONS = (
    Addition("the model discriminator", "EuiNet without perturbation", "EuiNet without discriminator"),
    Addition("the memory of known features", "EuiNet without perturbation", "EuiNet without memory"),
    Addition("a range of its own for each class", "standardised logit", "maximum logit"),
    Addition("the perturbation", OWN, "EuiNet without perturbation"),
    Addition("all of EuiNet beyond its classifier", OWN, "maximum logit"),
)


def findings(
    study: Study, classes: Sequence[ClassRow], detectors: Sequence[DetectorRow], far: Sequence[FarRow]
) -> tuple[str, ...]:
    """Return the findings, one to three sentences each, from the rows of the tables."""
    said = [
        *_below_chance(study),
        *of_unknowns(_held_out(study)),
        *_weakest(classes),
        *_best_rival(detectors, study.rivals),
    ]
    said += [
        _adds(study, classes, addition)
        for addition in ADDITIONS
        if {addition.whole, addition.rest} <= set(study.detectors)
    ]
    return (*said, *_far(far))


def _below_chance(study: Study) -> list[str]:
    """EuiNet's scores the wrong way round, or a model that learned nothing: nobody may overlook it."""
    aurocs = {result.cell: result.row(OWN, TEST).auroc for result in study.results}
    below = [f"{cell} ({auroc:.4f})" for cell, auroc in aurocs.items() if auroc < CHANCE]
    if not below:
        return []
    return [
        f"WARNING: EuiNet's AUROC is below {CHANCE}, worse than chance, in {', '.join(below)}: its scores "
        "are the wrong way round or its model is broken; do not use these numbers before you know which."
    ]


def _held_out(study: Study) -> list[Unknowns]:
    """Each split's unknown images at its mean over seeds: the same images each time."""
    found = []
    for split in study.splits:
        cell = next(result for result in study.results if result.split == split)
        auroc, caught = (
            fmean(over_seeds(study, split, of_row(name, OWN))) for name in ("auroc", "ood_accuracy")
        )
        count = cell.unknown_images
        found.append(Unknowns(split, auroc, cell.known_images, Share(round(caught * count), count)))
    return found


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
        f"{best.detector} = {signed(best.difference)}: {shown}. It is chosen by "
        "these very results, which favours it."
    ]


def _adds(study: Study, classes: Sequence[ClassRow], addition: Addition) -> str:
    """Say on which splits a part of EuiNet raises the AUROC, and on which not."""
    gains = {
        row.split: paired_difference(
            over_seeds(study, row.split, of_row("auroc", addition.whole)),
            over_seeds(study, row.split, of_row("auroc", addition.rest)),
        )
        for row in classes
    }
    head = f"What {addition.what} adds to the AUROC ({addition.whole} − {addition.rest})"
    if all(gain.mean == 0 and not gain.half_width for gain in gains.values()):
        return f"{head}: nothing, on any split."
    if all(gain.half_width is None for gain in gains.values()):
        listed = ", ".join(f"{split} {signed(gain)}" for split, gain in gains.items())
        return f"{head}: {listed}; with one seed it is not known whether that is chance."
    verdicts = {1: "it adds", 0: "it adds nothing that shows", -1: "it does harm"}
    parts = []
    for side, verdict in verdicts.items():
        splits = [f"{split} ({signed(gain)})" for split, gain in gains.items() if gain.side == side]
        if splits:
            parts.append(f"{verdict} on {', '.join(splits)}")
    return f"{head}, paired by seed: {'; '.join(parts)}."


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
