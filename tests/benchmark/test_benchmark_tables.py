"""The tables and findings, against numbers worked out by hand from made-up results."""

from __future__ import annotations

import math

import pytest
from made_up_results import IDENTITY, made_up

from euinet.benchmark.results import OWN, CellResult
from euinet.benchmark.study import Study
from euinet.benchmark.summary import as_markdown, as_text, summarise
from euinet.benchmark.tables import class_rows, detector_rows, far_rows

T2 = 4.302653  # Student's t, 2 degrees of freedom, 97.5 %

# AUROC by split, seeds 0, 1, 2
EUINET = {"4": (0.90, 0.92, 0.94), "9": (0.80, 0.82, 0.84)}
KNN = {"4": (0.95, 0.96, 0.97), "9": (0.70, 0.70, 0.70)}
VIM = {"4": (0.60, 0.60, 0.60), "9": (0.79, 0.79, 0.79)}
PLAIN = {"4": (0.89, 0.91, 0.93), "9": (0.80, 0.85, 0.83)}
FAR = {"4": (0.99, 0.98, 0.97), "9": (0.95, 0.90, 0.91)}


def results() -> list[CellResult]:
    return [
        made_up(
            split,
            seed,
            {
                OWN: EUINET[split][seed],
                "KNN": KNN[split][seed],
                "ViM": VIM[split][seed],
                "maximum logit": PLAIN[split][seed],
            },
            {"letters": FAR[split][seed]},
        )
        for seed in range(3)
        for split in ("4", "9")
    ]


def study(found: list[CellResult] | None = None, **changes: object) -> Study:
    cells = results() if found is None else found
    options: dict[str, object] = {
        "results": tuple(cells),
        "planned": tuple((cell.cell, cell.seed) for cell in results()),
        "detectors": (OWN, "KNN", "ViM", "maximum logit"),
        "rivals": ("KNN", "ViM"),
        "far_sets": (),
    }
    return Study(**(options | changes))  # type: ignore[arg-type]


def test_the_weakest_class_comes_first() -> None:
    rows = class_rows(study())
    assert [row.split for row in rows] == ["9", "4"]
    assert rows[0].auroc.mean == pytest.approx(0.82)
    assert rows[0].auroc.half_width == pytest.approx(T2 * 0.02 / math.sqrt(3), abs=1e-6)
    assert rows[0].fpr95.mean == pytest.approx(0.18)
    assert rows[0].ood_accuracy.mean == pytest.approx(0.72)
    assert rows[0].id_accuracy.mean == pytest.approx(0.9)
    assert rows[0].closed_set_accuracy.mean == pytest.approx(0.98)


def test_each_class_has_its_own_best_rival_and_the_difference_is_paired() -> None:
    nine, four = class_rows(study())
    assert (nine.rival, four.rival) == ("ViM", "KNN")
    # 0.01, 0.03, 0.05: mean 0.03, s 0.02
    assert nine.difference is not None
    assert nine.difference.mean == pytest.approx(0.03)
    assert nine.difference.half_width == pytest.approx(T2 * 0.02 / math.sqrt(3), abs=1e-6)
    # −0.05, −0.04, −0.03: mean −0.04, s 0.01
    assert four.difference is not None
    assert four.difference.mean == pytest.approx(-0.04)
    assert four.difference.half_width == pytest.approx(T2 * 0.01 / math.sqrt(3), abs=1e-6)
    assert four.difference.side == -1


def test_detectors_are_averaged_within_each_seed_first() -> None:
    own, *others = detector_rows(study())
    assert own.detector == OWN
    # seeds' means over 4 and 9: 0.85, 0.87, 0.89
    assert own.auroc.mean == pytest.approx(0.87)
    assert own.auroc.half_width == pytest.approx(T2 * 0.02 / math.sqrt(3), abs=1e-6)
    assert own.difference is None
    assert (own.worst_split, own.worst_auroc) == ("9", pytest.approx(0.82))
    assert own.oscr.mean == pytest.approx(0.435)
    assert own.score_seconds == 2.0
    assert [row.detector for row in others] == ["maximum logit", "KNN", "ViM"]
    knn = others[1]
    # EuiNet − KNN by seed: 0.85 − 0.825, 0.87 − 0.83, 0.89 − 0.835 = 0.025, 0.04, 0.055; s = 0.015
    assert knn.difference is not None
    assert knn.difference.mean == pytest.approx(0.04)
    assert knn.difference.half_width == pytest.approx(T2 * 0.015 / math.sqrt(3), abs=1e-6)
    assert knn.worst_split == "9"


def test_far_sets_name_the_worst_cell() -> None:
    (row,) = far_rows(study(far_sets=("letters",), rivals=()))
    assert (row.far_set, row.detector) == ("letters", OWN)
    # seeds' means: 0.97, 0.94, 0.94
    assert row.auroc.mean == pytest.approx(0.95)
    assert (row.worst_auroc, row.worst_auroc_cell) == (0.90, "without-9_seed-1")
    assert row.worst_fpr95 == pytest.approx(0.10)
    assert row.worst_ood_accuracy == pytest.approx(0.80)


def test_means_over_splits_never_mix_cells() -> None:
    found = [cell for cell in results() if cell.cell != "without-9_seed-2"]
    partial = study(found)
    assert partial.missing == ("without-9_seed-2",)
    own = detector_rows(partial)[0]
    assert own.auroc.count == 2
    assert own.auroc.mean == pytest.approx(0.86)  # of seeds 0 and 1; with 0.94 alone it would be larger
    summary = summarise(partial, IDENTITY)
    assert summary.warnings[0].startswith("WARNING: 1 of 6 cells missing (without-9_seed-2)")
    assert summary.warnings[0] in as_text(summary)
    assert summary.warnings[0] in as_markdown(summary)


def test_without_a_complete_seed_there_is_no_mean_over_splits() -> None:
    partial = study(results()[:1])
    assert detector_rows(partial) == ()
    assert far_rows(partial) == ()
    assert [row.split for row in class_rows(partial)] == ["4"]
    assert "By detector" not in as_text(summarise(partial, IDENTITY))


def test_findings_name_the_weakest_the_best_rival_and_what_adds_nothing() -> None:
    said = summarise(study(), IDENTITY).findings
    assert said[0] == "Weakest with 9 held out: AUROC 0.8200 ± 0.0497; strongest: 4 (0.9200 ± 0.0497)."
    assert said[1].startswith(
        "Best rival over all splits: KNN, AUROC 0.8300 ± 0.0124; EuiNet − KNN = +0.0400 ± 0.0373: "
        "EuiNet is better (paired over 3 seeds)."
    )
    # 4: 0.01 in each seed. 9: 0, −0.03, 0.01: mean −0.0067, s 0.0208
    assert said[2] == (
        "What all of EuiNet beyond its classifier adds to the AUROC (EuiNet − maximum logit), paired by "
        "seed: it adds on 4 (+0.0100 ± 0.0000); it adds nothing that shows on 9 (−0.0067 ± 0.0517)."
    )


def test_a_rival_that_is_better_is_called_better() -> None:
    swapped = [
        made_up(cell.split, cell.seed, {OWN: cell.rows[1].auroc, "KNN": cell.rows[0].auroc})
        for cell in results()
    ]
    said = summarise(study(swapped, detectors=(OWN, "KNN"), rivals=("KNN",)), IDENTITY).findings
    assert "EuiNet − KNN = −0.0400 ± 0.0373: EuiNet is worse (paired over 3 seeds)" in said[2]
    assert said[0].startswith("This model tells these unknowns from its classes poorly: 9 (AUROC 0.70, ")


def test_with_one_seed_nothing_is_claimed() -> None:
    found = results()[:2]
    one = study(found, planned=tuple((cell.cell, cell.seed) for cell in found))
    summary = summarise(one, IDENTITY)
    assert summary.warnings == (
        "One seed: there are no intervals, and no difference can be told from chance.",
    )
    assert "with one seed nothing is shown" in summary.findings[1]
    assert summary.findings[2].endswith("with one seed it is not known whether that is chance.")
    assert "±" not in as_text(summary).replace("Mean ±", "").replace("seeds ±", "")


def test_scores_the_wrong_way_round_cannot_be_overlooked() -> None:
    negated = [
        made_up(cell.split, cell.seed, {row.detector: 1 - row.auroc for row in cell.rows[:4]})
        for cell in results()
    ]
    summary = summarise(study(negated), IDENTITY)
    assert summary.findings[0].startswith("WARNING: EuiNet's AUROC is below 0.5, worse than chance, in ")
    assert "without-4_seed-0 (0.1000)" in summary.findings[0]
    assert not any("WARNING" in sentence for sentence in summarise(study(), IDENTITY).findings)


def test_text_and_markdown_say_the_same() -> None:
    summary = summarise(study(far_sets=("letters",), rivals=(), detectors=(OWN,)), IDENTITY)
    text, markdown = as_text(summary), as_markdown(summary)
    assert "made-up, preset report: 2 splits × 3 seeds, 6 of 6 cells, 1 detector." in text
    assert "| 9 | 3 | 0.8200 ± 0.0497 |" in markdown
    assert "9             3  0.8200 ± 0.0497" in text
    for sentence in summary.findings:
        assert sentence in text
        assert sentence in markdown
    assert summary.plain["classes"][0]["auroc"] == {
        "mean": pytest.approx(0.82),
        "half_width": pytest.approx(0.0497, abs=1e-4),
        "count": 3,
    }


def test_pseudo_results_are_marked() -> None:
    summary = summarise(study(), IDENTITY | {"pseudo_unknowns": True})
    assert "PSEUDO-UNKNOWNS" in as_text(summary)
    assert "PSEUDO-UNKNOWNS" in as_markdown(summary)
    assert summary.plain["pseudo_unknowns"] is True
