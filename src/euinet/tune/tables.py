"""trials.csv and best.json, from what the trials came to alone."""

import csv
import io
import json
import shlex
from collections import Counter
from collections.abc import Sequence
from typing import Any

from euinet.system.files import write_text
from euinet.tune.plan import SearchRequest
from euinet.tune.trial import MEASURES, TrialResult

CSV_FILE, BEST_FILE = "trials.csv", "best.json"
SHOWN = (*MEASURES, "closed_set_accuracy", "train_seconds")


def ranked(trials: Sequence[TrialResult], *, maximized: bool) -> list[TrialResult]:
    """Return the finished trials, the best first; of equals the one with the lower number."""

    def worse(trial: TrialResult) -> tuple[float, int]:
        value = trial.objective or 0.0
        return (-value if maximized else value), trial.number

    return sorted((trial for trial in trials if trial.objective is not None), key=worse)


def best_of(trials: Sequence[TrialResult], *, maximized: bool) -> TrialResult | None:
    """Return the best finished trial, or None without one."""
    return next(iter(ranked(trials, maximized=maximized)), None)


def own_of(trials: Sequence[TrialResult]) -> TrialResult | None:
    """Return trial 0, which has the preset's own values, once it is done."""
    return next((trial for trial in trials if trial.number == 0), None)


def write_tables(asked: SearchRequest, trials: Sequence[TrialResult]) -> None:
    """Write trials.csv, and best.json once a trial is finished."""
    write_text(asked.out / CSV_FILE, _as_csv(asked, trials))
    best = best_of(trials, maximized=asked.maximized)
    if best is not None:
        plain = best_plain(asked, trials, best)
        write_text(asked.out / BEST_FILE, json.dumps(plain, indent=2, ensure_ascii=False) + "\n")


def best_plain(asked: SearchRequest, trials: Sequence[TrialResult], best: TrialResult) -> dict[str, Any]:
    """Return the content of best.json."""
    own = own_of(trials)
    states = Counter(trial.state for trial in trials)
    return {
        "objective": asked.objective,
        "better_is": "larger" if asked.maximized else "smaller",
        "trials": {
            "asked": asked.trials,
            **{state: states[state] for state in ("finished", "forbidden", "failed")},
        },
        "best": trial_plain(best),
        "preset": None if own is None else trial_plain(own),
        "settings": {**asked.fixed, **best.settings},
        "set_arguments": set_arguments(asked, best),
        "command": train_command(asked, best),
    }


def trial_plain(trial: TrialResult) -> dict[str, Any]:
    """Return a trial as values that JSON knows."""
    return {
        "trial": trial.number,
        "state": trial.state,
        "objective": trial.objective,
        "settings": trial.settings,
        "mean": {measure: trial.mean(measure) for measure in SHOWN},
        "cells": trial.cells,
        "error": trial.error,
    }


def set_arguments(asked: SearchRequest, trial: TrialResult) -> list[str]:
    """Return the arguments that give `euinet train` and `euinet benchmark` the trial's settings."""
    settings = {**asked.fixed, **trial.settings}
    return [part for name, text in settings.items() for part in ("--set", f"{name}={text}")]


def train_command(asked: SearchRequest, trial: TrialResult) -> str:
    """Return the command that trains with the trial's settings, as a shell takes it."""
    held_out = ["--hold-out", asked.hold_out] if asked.hold_out else []
    start = ["euinet", "train", "--data", asked.data, *held_out, "--preset", asked.preset.name]
    return shlex.join([*start, *set_arguments(asked, trial)])


def _as_csv(asked: SearchRequest, trials: Sequence[TrialResult]) -> str:
    names = [searched.setting for searched in asked.space]
    cells = list(dict.fromkeys(cell for trial in trials for cell in trial.cells))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    of_cells = [f"{asked.objective} of {cell}" for cell in cells]
    writer.writerow(["trial", "state", "objective", *names, *SHOWN, *of_cells, "error"])
    for trial in trials:
        writer.writerow(
            [trial.number, trial.state, trial.objective]
            + [trial.settings[name] for name in names]
            + [trial.mean(measure) for measure in SHOWN]
            + [trial.cells.get(cell, {}).get(asked.objective) for cell in cells]
            + [trial.error]
        )
    return text.getvalue()
