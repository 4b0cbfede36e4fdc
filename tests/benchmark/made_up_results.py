"""Made-up results, to work tables out by hand."""

from __future__ import annotations

from euinet.benchmark.results import OWN, TEST, CellResult, Row

IDENTITY = {"data": "made-up", "preset": {"name": "report"}, "pseudo_unknowns": False}


def made_up(
    split: str, seed: int, aurocs: dict[str, float], far: dict[str, float] | None = None
) -> CellResult:
    """A finished cell in which each detector has an AUROC, and EuiNet's far AUROCs are `far`."""

    def row(detector: str, unknown_set: str, auroc: float) -> Row:
        return Row(
            detector, unknown_set, auroc, 1 - auroc, 0.5, 0.5, auroc / 2, 0.9, auroc - 0.1, 0.0, 2.0
        )  # fmt: skip

    rows = [row(detector, TEST, auroc) for detector, auroc in aurocs.items()]
    rows += [row(OWN, name, auroc) for name, auroc in (far or {}).items()]
    return CellResult(
        cell=f"without-{split}_seed-{seed}",
        identity=IDENTITY,
        held_out=(split,),
        pseudo_unknown=None,
        seed=seed,
        known_images=1800,
        unknown_images=600,
        closed_set_accuracy=0.98,
        train_seconds=1.5,
        device="cpu",
        versions={"euinet": "0"},
        far_fingerprints={},
        far_remarks={},
        rows=tuple(rows),
    )
