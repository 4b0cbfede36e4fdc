"""What processes that work side by side share: cores, the terminal's Ctrl-C, and the end of their parent."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

from euinet.system.streams import harden_streams

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def threads_each(jobs: int) -> int:
    """Return how many threads each of `jobs` processes may use: the cores shared out, at least one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // jobs)


def start_worker(body: Callable[..., None], arguments: tuple[object, ...], jobs: int) -> BaseProcess:
    """Start one of `jobs` processes that runs `body(*arguments)` and then ends.

    It has its share of the cores, leaves Ctrl-C to this process, and is interrupted when this one is gone.
    """
    # fork would copy torch's threads in an unknown state
    process = multiprocessing.get_context("spawn").Process(target=_work, args=(body, arguments), daemon=True)
    threads = dict.fromkeys(THREAD_VARIABLES, str(threads_each(jobs)))
    with _environment(threads), _interrupts_held():
        process.start()
    return process


def end_workers(processes: Sequence[BaseProcess]) -> None:
    """Interrupt processes and wait for their checkpoints; a second Ctrl-C ends them at once."""
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


def _work(body: Callable[..., None], arguments: tuple[object, ...]) -> None:
    harden_streams()
    _leave_terminal()
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    body(*arguments)


def _leave_terminal() -> None:
    """Let Ctrl-C reach the parent alone, which passes it on once: a second one would cut a checkpoint off."""
    if hasattr(os, "setsid"):
        os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # forgets one that came before setsid
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _stop_with_parent() -> None:
    """Interrupt this process when its parent is gone, however that ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGINT)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables for processes started meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back until the block is over; a process started meanwhile holds it back too."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
