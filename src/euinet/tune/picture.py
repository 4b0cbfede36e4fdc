"""history.png: the objective over the trials, and over each searched setting."""

from collections.abc import Sequence
from itertools import accumulate

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator

from euinet.report.style import INK, KNOWN, MUTED, REJECT, drawable, house_style, new_figure, to_png
from euinet.system.files import write_bytes
from euinet.system.words import counted
from euinet.tune.plan import SearchRequest
from euinet.tune.space import Searched, read_value
from euinet.tune.tables import best_of, own_of
from euinet.tune.trial import TrialResult

PICTURE_FILE = "history.png"
COLUMNS = 3


def write_history(asked: SearchRequest, trials: Sequence[TrialResult]) -> None:
    """Draw the finished trials to history.png; nothing is drawn without one."""
    finished = [trial for trial in trials if trial.objective is not None]
    best = best_of(finished, maximized=asked.maximized)
    if best is None:
        return
    rows = -(-len(asked.space) // COLUMNS)
    left = len(trials) - len(finished)
    note = f"Mean {asked.objective} over each trial's pseudo-unknowns, on validation images. "
    note += "Ring: the preset's own values."
    note += f" {left} of {len(trials)} trials came to none." if left else ""
    with house_style():
        figure = new_figure(2.6 + 1.9 * rows, f"The objective of {counted(len(finished), 'trial')}", note)
        grid = figure.add_gridspec(rows + 1, COLUMNS, height_ratios=[1.35] + [1] * rows)
        _draw_trials(figure.add_subplot(grid[0, :]), asked, finished, best)
        for at, searched in enumerate(asked.space):
            axes = figure.add_subplot(grid[1 + at // COLUMNS, at % COLUMNS])
            _draw_setting(axes, searched, finished, best)
            if at % COLUMNS == 0:
                axes.set_ylabel(asked.objective)
        content = to_png(figure)
    write_bytes(asked.out / PICTURE_FILE, content)


def _draw_trials(
    axes: Axes, asked: SearchRequest, finished: Sequence[TrialResult], best: TrialResult
) -> None:
    numbers = [trial.number for trial in finished]
    values = [trial.objective or 0.0 for trial in finished]
    so_far = list(accumulate(values, max if asked.maximized else min))
    axes.plot(numbers, values, "o", color=KNOWN, markersize=4, label="a trial")
    axes.step(numbers, so_far, where="post", color=MUTED, linewidth=1, label="best so far")
    label = f"best: trial {best.number}"
    axes.plot(best.number, best.objective or 0.0, "o", color=REJECT, markersize=7, label=label)
    own = own_of(finished)
    if own is not None and own.objective is not None:
        axes.axhline(own.objective, color=INK, linewidth=1, linestyle="--", label="the preset's own values")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trial")
    axes.set_ylabel(asked.objective)
    axes.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=4)


def _draw_setting(axes: Axes, searched: Searched, finished: Sequence[TrialResult], best: TrialResult) -> None:
    """Draw the objective over one setting; the preset's own value has a ring."""
    if searched.choices:
        places = [read_value(choice) for choice in searched.choices]
        inside = [trial for trial in finished if searched.contains(trial.settings[searched.setting])]
        at = [float(places.index(read_value(trial.settings[searched.setting]))) for trial in inside]
        axes.set_xticks(range(len(places)), [drawable(choice, 10) for choice in searched.choices], fontsize=8)
        axes.set_xlim(-0.5, len(places) - 0.5)
    else:
        inside = list(finished)
        at = [float(trial.settings[searched.setting]) for trial in inside]
        if searched.log:
            axes.set_xscale("log")
        product, total = searched.low * searched.high, searched.low + searched.high
        middle = product**0.5 if searched.log else total / 2
        ticks = (searched.low, middle, searched.high)
        axes.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.update_datalim([(end, best.objective or 0.0) for end in (searched.low, searched.high)])
    axes.tick_params(labelsize=8)
    for where, trial in zip(at, inside, strict=True):
        value = trial.objective or 0.0
        chosen = trial.number == best.number
        colour, size = (REJECT, 6) if chosen else (KNOWN, 3.5)
        axes.plot(where, value, "o", color=colour, markersize=size, zorder=3 if chosen else 2)
        if trial.number == 0:
            axes.plot(where, value, "o", color=INK, markersize=9, fillstyle="none", zorder=4)
    axes.set_xlabel(drawable(searched.setting.rpartition(".")[2], 24), fontsize=9)
