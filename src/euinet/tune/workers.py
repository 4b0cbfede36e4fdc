"""A search in several processes: each takes trials from the journal, as the same command elsewhere would."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Sequence
from multiprocessing.process import BaseProcess

import torch

from euinet.errors import EuiNetError
from euinet.system.notify import Notify
from euinet.system.worker_processes import (
    THREAD_VARIABLES,
    environment,
    interrupts_held,
    leave_terminal,
    stop_with_parent,
    threads_each,
)
from euinet.tune.plan import SearchRequest


def work_in_processes(asked: SearchRequest, jobs: int, notify: Notify) -> list[int]:
    """Run trials in `jobs` processes that share the processor's cores; return their exit codes.

    Each process tells by its own copy of `notify`.
    On Ctrl-C each process writes its training's checkpoint first; a second one ends them at once.
    """
    threads = threads_each(jobs)
    context = multiprocessing.get_context("spawn")  # fork would copy torch's threads in an unknown state
    processes: list[BaseProcess] = []
    try:
        with environment({name: str(threads) for name in THREAD_VARIABLES}):
            for _ in range(jobs):
                process: BaseProcess = context.Process(
                    target=_serve, args=(asked, threads, notify), daemon=True
                )
                with interrupts_held():
                    process.start()
                processes.append(process)
        for process in processes:
            process.join()
    except BaseException:
        _stop(processes)
        raise
    return [process.exitcode or 0 for process in processes]


def _serve(asked: SearchRequest, threads: int, notify: Notify) -> None:
    """Run trials until none is left; the body of a worker process."""
    from euinet.tune.loop import run_trials
    from euinet.tune.plan import prepare

    leave_terminal()
    threading.Thread(target=stop_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    try:
        judges, materials, _ = prepare(asked, None)
        run_trials(asked, judges, materials, notify, quiet=True)
    except KeyboardInterrupt:
        sys.exit(130)
    except EuiNetError as error:
        notify(f"A process of the search stopped: {error}")
        sys.exit(error.exit_code)


def _stop(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        if process.pid is not None and process.is_alive():
            os.kill(process.pid, signal.SIGINT)
    try:
        for process in processes:
            process.join()
    except KeyboardInterrupt:
        for process in processes:
            process.terminate()
        raise
