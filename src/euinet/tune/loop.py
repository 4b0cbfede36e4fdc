"""What every process of a search does: take a trial, run it, tell; until there is none left.

Which trial is next is decided under the journal's lock, so that no two processes take the same one. A trial
that the journal has as running, but whose own lock is free, was left by a process that died: it is taken up
under its number, with its values, where its checkpoint is.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from euinet.benchmark.work import Materials
from euinet.system.notify import Notify
from euinet.training.devices import make_fabric
from euinet.training.log import clock
from euinet.tune.journal import Journal, lock_trial
from euinet.tune.plan import OBJECTIVES, Judges, SearchRequest
from euinet.tune.sampler import SETTINGS, propose
from euinet.tune.tables import best_of, write_tables
from euinet.tune.trial import TrialResult, drop_networks, read_judged, run_trial, write_judged

if TYPE_CHECKING:
    from filelock import BaseFileLock
    from optuna.study import Study

POLL_SECONDS = 0.5  # between two looks at what other processes still run


@dataclass(frozen=True)
class Taken:
    """A trial that this process is to run."""

    number: int
    settings: dict[str, str]
    lock: BaseFileLock
    again: bool  # a process that died had begun it


def run_trials(
    asked: SearchRequest, judges: Judges, materials: Materials, notify: Notify, *, quiet: bool
) -> None:
    """Run trials until the search has as many as asked for, those that others run included.

    Raises StorageError and KeyboardInterrupt: the trial at hand then waits for the next sitting.
    """
    fabric = make_fabric(asked.device, asked.precision)
    journal = Journal(asked.out, OBJECTIVES[asked.objective], notify)
    waiting = False
    while (taken := take(journal, asked)) is not None:
        if isinstance(taken, list):
            if not waiting:
                names = ", ".join(str(number) for number in taken)
                notify(f"Waiting for trial {names}, which other processes run.")
            waiting = True
            time.sleep(POLL_SECONDS)
            continue
        waiting = False
        try:
            if taken.again:
                notify(f"Going on with trial {taken.number}, which was interrupted.")
            number, settings = taken.number, taken.settings
            judged = run_trial(number, settings, asked, judges, materials, fabric, quiet=quiet)
            finish(journal, asked, judged, notify)
        finally:
            taken.lock.release()


def take(journal: Journal, asked: SearchRequest) -> Taken | list[int] | None:
    """Return a trial to run; or the numbers of the last ones, run by others; or None when all are done."""
    from optuna.trial import TrialState

    with journal.held() as study:
        trials = study.get_trials(deepcopy=False)
        running = [trial for trial in trials if trial.state == TrialState.RUNNING]
        for trial in running:
            if lock := lock_trial(asked.out, trial.number):
                return Taken(trial.number, trial.user_attrs[SETTINGS], lock, again=True)
        if len(trials) >= asked.trials:
            return [trial.number for trial in running] or None
        number = len(trials)
        lock = lock_trial(asked.out, number)
        if lock is None:  # its process was killed before it could enter it, and is not gone yet
            return [number]
        try:
            new = propose(number, trials, asked.space, asked.preset, asked.seed, OBJECTIVES[asked.objective])
            study.add_trial(new)  # one line of the journal: with all its values, or not at all
        except BaseException:
            lock.release()
            raise
        return Taken(number, new.user_attrs[SETTINGS], lock, again=False)


def finish(journal: Journal, asked: SearchRequest, judged: TrialResult, notify: Notify) -> None:
    """Keep a trial's numbers, tell the journal, bring the tables up to date, remove what is not needed."""
    from optuna.trial import TrialState

    write_judged(asked.out, judged)
    with journal.held() as study:
        if judged.state == "finished":
            study.tell(judged.number, judged.objective)
        else:
            # Optuna's word for a trial without a value that counts as worse than any: so that the sampler
            # turns away from such settings, which it would not after a FAIL.
            study.tell(judged.number, state=TrialState.PRUNED)
        done = judged_trials(study, asked)
        write_tables(asked, done)
        best = best_of(done, maximized=asked.maximized)
        for other in done:
            if best is None or other.number != best.number:
                drop_networks(asked.out, other.number)
    notify(_told(asked, judged, done, best))


def judged_trials(study: Study, asked: SearchRequest) -> tuple[TrialResult, ...]:
    """Return what the trials came to that the journal has as done, by number."""
    return tuple(
        read_judged(asked.out, trial.number)
        for trial in study.get_trials(deepcopy=False)
        if trial.state.is_finished()
    )


def _told(
    asked: SearchRequest, judged: TrialResult, done: tuple[TrialResult, ...], best: TrialResult | None
) -> str:
    count = f"{len(done)}/{asked.trials} trials done. Trial {judged.number}"
    if judged.objective is None or best is None:
        return f"{count} {judged.state}: {judged.error}"
    leader = "the best so far" if best.number == judged.number else f"the best is trial {best.number}"
    return f"{count}: {asked.objective} {judged.objective:.4f} in {clock(judged.seconds)}; {leader}"
