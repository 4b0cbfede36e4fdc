"""Fill the page's template: one file, pictures inside, nothing fetched, no script.

Class names, detector names and settings are others' text: the template escapes everything.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

import jinja2

from euinet.report.figures_softmax import label_file_names
from euinet.report.groups import is_known, label_groups
from euinet.report.remarks import accuracy_verdict, verdicts, what_is_here
from euinet.report.style import Drawing
from euinet.report.tables import accuracy_rows, label_rows
from euinet.report.wording import NOT_AVAILABLE, listing, percent, scientific

if TYPE_CHECKING:
    from euinet.records import EvaluationRecord
    from euinet.report.reported import ReportedValues

MEASURES = (
    ("auroc", "AUROC, unknown as the positive class"),
    ("fpr95", "FPR95: known images flagged when 95 % of unknown ones are caught"),
    ("aupr_out", "AUPR (average precision), unknown as the positive class"),
    ("aupr_in", "AUPR (average precision), known as the positive class"),
    ("oscr", "OSCR: known images right against unknown ones accepted, area"),
    ("closed_set_accuracy", "Accuracy of the classifier alone, on known images"),
)
RUN_FACTS = ("preset", "seed", "device", "precision", "train_seconds", "evaluate_seconds")


def render_page(
    record: EvaluationRecord,
    reported: ReportedValues | None,
    drawings: Sequence[Drawing],
    pictures: Mapping[str, bytes],
) -> str:
    """Return report.html: `pictures` by file name, embedded; `drawings` give their alternative texts."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(scientific=scientific, percent=percent, listing=listing, number=_number)
    environment.globals.update(verdict=accuracy_verdict)
    template = environment.from_string((files("euinet.report") / "template.html").read_text(encoding="utf-8"))
    alts = {drawing.file_name: drawing.alt for drawing in drawings}
    settings = dict(flatten(record.settings))
    far = record.metrics.get("far")
    return template.render(
        record=record,
        reported=reported,
        n_known=int(is_known(record).sum()),
        n_unknown=int((~is_known(record)).sum()),
        accuracy=accuracy_rows(record, reported),
        labels=label_rows(record, reported),
        label_figures=label_file_names(label_groups(record)),
        here=what_is_here(record, reported),
        verdicts=verdicts(record, reported),
        alts=alts,
        pictures={
            name: f"data:image/png;base64,{base64.b64encode(png).decode()}" for name, png in pictures.items()
        },
        measures=[(text, record.metrics[key]) for key, text in MEASURES if key in record.metrics],
        far=far if isinstance(far, Mapping) else {},
        settings=settings,
        facts=[(key.replace("_", " "), record.metrics[key]) for key in RUN_FACTS if key in record.metrics],
        versions=record.metrics.get("versions", {}),
        command=run_command(record),
    )


def run_command(record: EvaluationRecord) -> str:
    """Return the command that repeats the run: the record's own `metrics["command"]`, else its parts."""
    own = record.metrics.get("command")
    if isinstance(own, str):
        return own
    preset, seed = record.metrics.get("preset"), record.metrics.get("seed")
    if record.dataset == "mnist" and record.unknown_classes == (0,) and preset == "report":
        return f"euinet reproduce --seed {seed}"
    held_out = ",".join(str(number) for number in record.unknown_classes)
    data = f"--data {record.dataset} --hold-out {held_out}"
    return f"euinet train {data} --preset {preset} --seed {seed} --out DIR"


def flatten(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield nested plain values as ("scoring.epsilon", 0.3)."""
    for key, value in values.items():
        path = f"{prefix}.{key}" if prefix else key
        if isinstance(value, Mapping):
            yield from flatten(value, path)
        else:
            yield path, value


def _number(value: object, digits: int = 4) -> str:
    """Write a measure: 0.9934; NaN and None as a dash; other values as they are."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return NOT_AVAILABLE if value is None else str(value)
    if value != value:  # NaN
        return NOT_AVAILABLE
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}f}"
