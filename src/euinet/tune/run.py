"""A whole search: what is left of it, done; then the tables and the picture from everything that is there."""

import signal

from euinet.benchmark.work import Materials
from euinet.errors import TrainingError
from euinet.system.notify import Notify
from euinet.system.words import counted
from euinet.tune.journal import Journal, require_optuna
from euinet.tune.loop import judged_trials, run_trials
from euinet.tune.picture import write_history
from euinet.tune.plan import OBJECTIVES, Judges, SearchRequest, claim, prepare
from euinet.tune.tables import write_tables
from euinet.tune.trial import TrialResult
from euinet.tune.workers import work_in_processes


def run_search(asked: SearchRequest, notify: Notify) -> tuple[TrialResult, ...]:
    """Run what is left of a search and return all its trials that are done, by number.

    Raises UsageError for a wrong option, a missing package and an --out of another search, before anything is
    trained; TrainingError when no trial came to an objective, or when every process of several died.
    """
    asked.check()
    require_optuna()
    judges, materials, identity = prepare(asked, notify)
    journal = Journal(asked.out, OBJECTIVES[asked.objective], notify)
    with journal.held() as study:
        claim(asked.out, identity)
        before = len(judged_trials(study, asked))
    if before:
        notify(f"{before} trials are done already and are not run again.")
    _describe(judges, materials, notify)
    try:
        _work(asked, judges, materials, before, notify)
    except KeyboardInterrupt:
        done = len(_done(journal, asked))
        notify(f"Interrupted; {done}/{asked.trials} trials are done, and the same command goes on from here.")
        raise
    trials = _done(journal, asked)
    write_history(asked, trials)
    if all(trial.objective is None for trial in trials):
        raise TrainingError(
            f"None of {len(trials)} trials came to an objective; the first of them: {trials[0].error}"
        )
    return trials


def _work(asked: SearchRequest, judges: Judges, materials: Materials, before: int, notify: Notify) -> None:
    jobs = min(asked.jobs, max(1, asked.trials - before))
    if jobs == 1:
        run_trials(asked, judges, materials, notify, quiet=False)
        return
    dead = [code for code in work_in_processes(asked, jobs, notify) if code]
    if dead:
        hint = ", perhaps for want of memory: try fewer --jobs" if -signal.SIGKILL in dead else ""
        said = f"{len(dead)} of {jobs} processes ended early (exit code {', '.join(map(str, dead))}{hint})."
        if len(dead) == jobs:
            raise TrainingError(f"{said} The same command goes on from here.")
        notify(f"{said} The others did their part too.")


def _done(journal: Journal, asked: SearchRequest) -> tuple[TrialResult, ...]:
    """Return the trials that are done, with the tables brought up to date by them."""
    with journal.held() as study:
        trials = judged_trials(study, asked)
        write_tables(asked, trials)
    return trials


def _describe(judges: Judges, materials: Materials, notify: Notify) -> None:
    names = materials.dataset.class_names
    hidden = ", ".join(names[number] for number in judges.held_out)
    known = ", ".join(names[number] for number in judges.pseudo)
    notify(
        f"Each trial trains {counted(len(judges.pseudo) * len(judges.seeds), 'model')}; playing the unknown "
        f"class: {known}. "
        + (f"No image of {hidden} and no test image is used." if hidden else "No test image is used.")
    )
    if not hidden:
        notify(
            "No class is held out: every class helps to choose, so a test with one of them as the unknown "
            "would flatter what is found; hold it out here too (--hold-out)."
        )
