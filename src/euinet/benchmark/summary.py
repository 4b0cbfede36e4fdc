"""The tables and findings in words: text for a terminal, Markdown, and plain values."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from euinet.benchmark.columns import Table, class_table, detector_table, far_table
from euinet.benchmark.findings import findings
from euinet.benchmark.intervals import Interval
from euinet.benchmark.study import Study
from euinet.benchmark.tables import class_rows, detector_rows, far_rows
from euinet.system.files import write_text
from euinet.system.words import aligned, counted

MARKDOWN_FILE, JSON_FILE = "summary.md", "summary.json"


@dataclass(frozen=True)
class Summary:
    """Everything that is said of a benchmark."""

    head: str  # data set, preset, cells
    warnings: tuple[str, ...]
    findings: tuple[str, ...]
    tables: tuple[Table, ...]
    plain: dict[str, Any]  # the content of summary.json


def summarise(study: Study, identity: Mapping[str, Any]) -> Summary:
    """Return the summary of the finished cells. Raises ValueError when there is none."""
    if not study.results:
        raise ValueError("no cell is finished: there is nothing to summarise")
    classes, detectors, far = class_rows(study), detector_rows(study), far_rows(study)
    warnings = _warnings(study)
    said = findings(study, classes, detectors, far)
    tables = [class_table(classes), detector_table(study.far_sets, detectors), far_table(far)]
    plain = {
        "identity": dict(identity),
        "seeds": sorted({result.seed for result in study.results}),
        "cells_planned": len(study.planned),
        "cells_finished": len(study.results),
        "cells_missing": list(study.missing),
        "pseudo_unknowns": identity["pseudo_unknowns"],
        "warnings": list(warnings),
        "findings": list(said),
        "classes": [asdict(row) for row in classes],
        "detectors": [asdict(row) | {"far_auroc": _by_name(row.far_auroc)} for row in detectors],
        "far_sets": [asdict(row) for row in far],
        "far_remarks": _far_remarks(study),
        "versions": study.results[0].versions,
        "devices": sorted({result.device for result in study.results}),
    }
    return Summary(_head(study, identity), warnings, said, tuple(t for t in tables if t.rows), plain)


def as_text(summary: Summary) -> str:
    """Return the summary for a terminal, columns aligned."""
    blocks = [summary.head, *summary.warnings]
    for table in summary.tables:
        cells = aligned((table.columns, *table.rows), numbers=range(1, len(table.columns)))
        blocks.append(f"{table.title}\n\n{cells}\n\n{table.note}")
    blocks.append("\n".join(f"- {sentence}" for sentence in summary.findings))
    return "\n\n".join(blocks)


def as_markdown(summary: Summary) -> str:
    """Return the summary as GitHub's Markdown."""
    blocks = ["# Benchmark", summary.head, *(f"**{warning}**" for warning in summary.warnings)]
    blocks += ["## Findings", "\n".join(f"- {_escaped(sentence)}" for sentence in summary.findings)]
    for table in summary.tables:
        blocks += [f"## {table.title}", _markdown_rows(table), table.note]
    return "\n\n".join(blocks) + "\n"


def write_summary(summary: Summary, out: Path) -> None:
    """Write summary.md and summary.json."""
    write_text(out / MARKDOWN_FILE, as_markdown(summary))
    write_text(out / JSON_FILE, json.dumps(summary.plain, indent=2) + "\n")


def _markdown_rows(table: Table) -> str:
    lines = [table.columns, ("---", *("---:" for _ in table.columns[1:])), *table.rows]
    return "\n".join("| " + " | ".join(_escaped(cell) for cell in line) + " |" for line in lines)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")  # else a column would end there


def _head(study: Study, identity: Mapping[str, Any]) -> str:
    seeds = len({result.seed for result in study.results})
    kind = (
        " PSEUDO-UNKNOWNS: a known class plays the unknown one, no test image is used; for choosing "
        "settings, not for reporting."
        if identity["pseudo_unknowns"]
        else ""
    )
    return (
        f"{identity['data']}, preset {identity['preset']['name']}: {counted(len(study.splits), 'split')} × "
        f"{counted(seeds, 'seed')}, {len(study.results)} of {counted(len(study.planned), 'cell')}, "
        f"{counted(len(study.detectors), 'detector')}.{kind}"
    )


def _warnings(study: Study) -> tuple[str, ...]:
    said = []
    if study.missing:
        complete = "is 1" if len(study.complete) == 1 else f"are {len(study.complete)}"
        said.append(
            f"WARNING: {len(study.missing)} of {counted(len(study.planned), 'cell')} missing "
            f"({', '.join(study.missing)}). Means over splits use only seeds without a gap, of which there "
            f"{complete}, and the rows of splits have unequal seeds. Run the same command again to complete "
            "them."
        )
    if len({seed for _, seed in study.planned}) == 1:
        said.append("One seed: there are no intervals, and no difference can be told from chance.")
    return tuple(said)


def _by_name(intervals: Sequence[tuple[str, Interval]]) -> dict[str, dict[str, Any]]:
    return {name: asdict(value) for name, value in intervals}


def _far_remarks(study: Study) -> dict[str, list[str]]:
    return {
        name: sorted({result.far_remarks[name] for result in study.results if name in result.far_remarks})
        for name in study.far_sets
    }
