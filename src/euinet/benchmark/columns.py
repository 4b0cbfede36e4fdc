"""Which numbers stand in which column, and what each table's note says of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from euinet.benchmark.intervals import number, signed
from euinet.benchmark.tables import ClassRow, DetectorRow, FarRow


@dataclass(frozen=True)
class Table:
    """A table of words; the first column is the rows' names."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str


def class_table(rows: Sequence[ClassRow]) -> Table:
    """EuiNet with each split held out, beside the best rival there."""
    return Table(
        "By held-out class, weakest first",
        (
            *("held out", "seeds", "AUROC", "FPR95", "unknown rejected", "known right", "closed set"),
            *("best rival", "its AUROC", "EuiNet − rival"),
        ),
        tuple(
            (
                row.split,
                str(row.auroc.count),
                number(row.auroc),
                number(row.fpr95),
                number(row.ood_accuracy),
                number(row.id_accuracy),
                number(row.closed_set_accuracy),
                row.rival or "–",
                number(row.rival_auroc) if row.rival_auroc else "–",
                signed(row.difference) if row.difference else "–",
            )
            for row in rows
        ),
        "Mean ± half the 95 % interval over seeds (Student's t). The best rival of each row is the one with "
        "the largest mean AUROC in it; differences are paired by seed.",
    )


def detector_table(far_sets: Sequence[str], rows: Sequence[DetectorRow]) -> Table:
    """Every detector over all splits."""
    return Table(
        "By detector, over all splits",
        (
            *("detector", "AUROC", "EuiNet − it", "worst split", "FPR95", "unknown rejected"),
            *("known right", "OSCR", *(f"AUROC {name}" for name in far_sets), "seconds"),
        ),
        tuple(
            (
                row.detector,
                number(row.auroc),
                signed(row.difference) if row.difference else "–",
                f"{row.worst_auroc:.4f} ({row.worst_split})",
                *(f"{m.mean:.4f}" for m in (row.fpr95, row.ood_accuracy, row.id_accuracy, row.oscr)),
                *(f"{far.mean:.4f}" for _, far in row.far_auroc),
                f"{row.score_seconds:.1f}",
            )
            for row in rows
        ),
        "Mean over the splits of each seed, then over seeds ± half the 95 % interval. All reject the same "
        "share of known validation images. Seconds a cell: fitting and scoring, but for the forward passes "
        "that many share.",
    )


def far_table(rows: Sequence[FarRow]) -> Table:
    """EuiNet and the best rival on each far set."""
    return Table(
        "By far set: EuiNet and the best rival there",
        (*("far set", "detector", "AUROC", "worst", "in cell", "FPR95", "worst", "rejected", "worst"),),
        tuple(
            (
                row.far_set,
                row.detector,
                number(row.auroc),
                f"{row.worst_auroc:.4f}",
                row.worst_auroc_cell,
                number(row.fpr95),
                f"{row.worst_fpr95:.4f}",
                number(row.ood_accuracy),
                f"{row.worst_ood_accuracy:.4f}",
            )
            for row in rows
        ),
        "Against the known test images. Worst: of single cells, each measure by itself.",
    )
