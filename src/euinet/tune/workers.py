"""A search in several processes: each takes trials from the journal, as the same command elsewhere would."""

import sys
from multiprocessing.process import BaseProcess

import torch

from euinet.errors import EuiNetError
from euinet.system.notify import Notify
from euinet.system.worker_processes import end_workers, start_worker, threads_each
from euinet.tune.plan import SearchRequest


def work_in_processes(asked: SearchRequest, jobs: int, notify: Notify) -> list[int]:
    """Run trials in `jobs` processes that share the processor's cores; return their exit codes.

    Each process tells by its own copy of `notify`.
    On Ctrl-C each process writes its training's checkpoint first; a second one ends them at once.
    """
    processes: list[BaseProcess] = []
    try:
        for _ in range(jobs):
            # one by one: where the next cannot be started, these must be ended
            processes.append(start_worker(_serve, (asked, threads_each(jobs), notify), jobs))  # noqa: PERF401
        for process in processes:
            process.join()
    except BaseException:
        end_workers(processes)
        raise
    return [process.exitcode or 0 for process in processes]


def _serve(asked: SearchRequest, threads: int, notify: Notify) -> None:
    """Run trials until none is left; the body of a worker process."""
    from euinet.tune.loop import run_trials
    from euinet.tune.plan import prepare

    torch.set_num_threads(threads)
    try:
        judges, materials, _ = prepare(asked, None)
        run_trials(asked, judges, materials, notify, quiet=True)
    except KeyboardInterrupt:
        sys.exit(130)
    except EuiNetError as error:
        notify(f"A process of the search stopped: {error}")
        sys.exit(error.exit_code)
