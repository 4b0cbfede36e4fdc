"""A search in words: the best trials, the preset's own values beside them, and how to go on."""

from collections.abc import Sequence

from euinet.system.words import aligned
from euinet.tune.plan import SearchRequest
from euinet.tune.tables import own_of, ranked, train_command
from euinet.tune.trial import TrialResult

MOST = 10  # trials shown
JUDGED_BY = "pseudo-unknowns among the known classes, on validation images"


def as_text(asked: SearchRequest, trials: Sequence[TrialResult]) -> str:
    """Return the table of the best trials and what follows from it. There must be a finished trial."""
    order = ranked(trials, maximized=asked.maximized)
    own = own_of(trials)
    shown = order[:MOST]
    if own is not None and own.objective is not None and own not in shown:
        shown.append(own)
    names = [searched.setting for searched in asked.space]
    heads = ["trial", asked.objective, "closed set", *_short(names), ""]
    table = aligned([heads, *(_row(trial, names) for trial in shown)], numbers=range(len(heads) - 1))
    return "\n".join([table, "", *_conclusion(asked, trials, order, own)])


def _row(trial: TrialResult, names: Sequence[str]) -> list[str]:
    settings = (trial.settings[name] for name in names)
    remark = "the preset's own" if trial.number == 0 else ""
    return [
        *(str(trial.number), f"{trial.objective:.4f}", f"{trial.mean('closed_set_accuracy'):.4f}"),
        *(*settings, remark),
    ]


def _conclusion(
    asked: SearchRequest, trials: Sequence[TrialResult], order: Sequence[TrialResult], own: TrialResult | None
) -> list[str]:
    best = order[0]
    lines = []
    for state in ("forbidden", "failed"):
        if found := [trial for trial in trials if trial.state == state]:
            numbers = ", ".join(str(trial.number) for trial in found)
            lines.append(f"{state.capitalize()}: trial {numbers}. The first of them: {found[0].error}")
    name, value = asked.objective, best.objective
    said = f"Best of {len(order)} finished: trial {best.number}, {name} {value:.4f}, by {JUDGED_BY}"
    if own is None or own.objective is None:
        lines.append(f"{said}. The preset's own values came to no objective.")
    elif best.number == 0:
        lines.append(f"{said}: the preset's own values. Nothing better was found.")
    else:
        lines.append(f"{said}; the preset's own values have {own.objective:.4f}.")
        lines.append(
            "It was chosen by these very numbers, so they flatter it: compare both by other seeds or classes "
            "(euinet benchmark --pseudo-unknowns) before you believe in the difference."
        )
    return [*lines, "", f"    {train_command(asked, best)}"]


def _short(names: Sequence[str]) -> list[str]:
    """Return the settings' last names, in full where two share one."""
    last = [name.rpartition(".")[2] for name in names]
    return [short if last.count(short) == 1 else name for name, short in zip(names, last, strict=True)]
