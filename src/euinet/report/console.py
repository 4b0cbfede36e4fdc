"""Figure 21 and the detectors as plain text, for a terminal."""

from typing import Any

from euinet.report.reported import EUINET_REPORT


def console_table(metrics: dict[str, Any]) -> str:
    """Return the accuracy table and, where there are any, the detectors and far sets, as text.

    `metrics` is the content of metrics.json. The report's own figures stand beside ours only for its own
    experiment: MNIST with digit 0 held out.
    """
    lines = _accuracy_lines(metrics)
    for title, rows in (
        ("detector", metrics.get("detectors")),
        ("unknown class", metrics["near"] if len(metrics["near"]) > 1 else None),
        ("far set", metrics.get("far")),
    ):
        if rows:
            lines += ["", *_table(title, rows)]
    said = [f"- {sentence}" for sentence in metrics["verdict"]["shortcomings"]]
    said = said or [metrics["verdict"]["sentence"]]
    if expected := metrics.get("expected"):
        said = [*said, "", expected["sentence"]]
    return "\n".join([*lines, "", *said])


def _accuracy_lines(metrics: dict[str, Any]) -> list[str]:
    reported = metrics["data"] == "mnist" and metrics["held_out"] == [0]
    known, unknown = (
        (EUINET_REPORT.accuracy_known, EUINET_REPORT.accuracy_unknown) if reported else (None, None)
    )
    head = f"{'':38}{'here':>10}" + (f"{'report':>12}" if reported else "")
    rows = [
        (metrics["n_id"], f"known, labelled right ({metrics['n_id']} images)", metrics["id_accuracy"], known),
        (
            metrics["n_ood"],
            f"unknown, rejected ({metrics['n_ood']} images)",
            metrics["ood_accuracy"],
            unknown,
        ),
        (metrics["n_id"], "known, without the reject option", metrics["closed_set_accuracy"], None),
    ]
    lines = [head]
    for images, name, here, there in rows:
        if not images:  # a row of nothing reads as if nothing of it had been caught
            continue
        shown = "–" if here is None else f"{100 * here:.2f} %"
        lines.append(f"{name:38}{shown:>10}" + (f"{there:>10.2f} %" if there is not None else ""))
    return lines


def _table(title: str, rows: dict[str, dict[str, float]]) -> list[str]:
    columns = [
        key for key in ("auroc", "fpr95", "id_accuracy", "ood_accuracy") if key in next(iter(rows.values()))
    ]
    lines = [f"{title:26}" + "".join(f"{column:>14}" for column in columns)]
    for name, row in rows.items():
        lines.append(f"{name:26}" + "".join(f"{row[column]:>14.4f}" for column in columns))
    return lines
