"""Who runs the cells: this process, one after the other, or several, each handed one cell at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import cast

import torch
from lightning_fabric import Fabric

from euinet.benchmark.cell import run_cell
from euinet.benchmark.plan import Cell
from euinet.benchmark.results import CellResult
from euinet.benchmark.store import cell_folder
from euinet.benchmark.work import Materials, Work, load_materials
from euinet.devices import make_fabric
from euinet.files import write_text

ERROR_FILE = "error.txt"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Finished:
    """A cell that is done."""

    result: CellResult


@dataclass(frozen=True)
class Failed:
    """A cell that raised; its traceback is in the cell's folder."""

    cell: str
    error: str


Outcome = Finished | Failed


@dataclass(frozen=True)
class _Worker:
    process: BaseProcess
    pipe: Connection  # cells go in, outcomes come out


def in_this_process(todo: Sequence[Cell], work: Work, materials: Materials) -> Generator[Outcome]:
    """Run the cells one after the other; yield what became of each."""
    fabric = make_fabric(work.device, work.precision)
    for cell in todo:
        yield _attempt(cell, work, materials, fabric, quiet=False)


def in_processes(todo: Sequence[Cell], work: Work, jobs: int) -> Generator[Outcome]:
    """Run the cells in `jobs` processes that share the processor's cores; yield outcomes as they come.

    When the caller stops (close the iterator), so do the processes: a training writes its checkpoint first.
    """
    waiting = list(todo)
    running: dict[Connection, tuple[_Worker, Cell]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                worker = _start(work, jobs)
                running[worker.pipe] = worker, _hand_out(worker, waiting)
            for pipe in cast(list[Connection], wait(list(running))):
                worker, cell = running.pop(pipe)
                outcome = _receive(worker, cell)
                if waiting and worker.process.is_alive():
                    running[pipe] = worker, _hand_out(worker, waiting)
                else:
                    _dismiss(worker)
                yield outcome
    finally:
        _stop([worker for worker, _ in running.values()])


def threads_each(jobs: int) -> int:
    """Return how many threads each of `jobs` processes may use: the cores shared out, at least one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // jobs)


def _attempt(cell: Cell, work: Work, materials: Materials, fabric: Fabric, *, quiet: bool) -> Outcome:
    """Run one cell. An error is the cell's, not the benchmark's: it is kept, and others go on."""
    error_file = cell_folder(work.out, cell.id) / ERROR_FILE
    try:
        result = run_cell(cell, work, materials, fabric, quiet=quiet)
    except Exception as error:
        with suppress(Exception):  # where even this cannot be written, the sentence below remains
            write_text(error_file, traceback.format_exc())
        return Failed(cell.id, f"{type(error).__name__}: {error}")
    error_file.unlink(missing_ok=True)
    return Finished(result)


def _start(work: Work, jobs: int) -> _Worker:
    context = multiprocessing.get_context("spawn")  # fork would copy torch's threads in an unknown state
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, work, threads_each(jobs)), daemon=True)
    with _environment({name: str(threads_each(jobs)) for name in THREAD_VARIABLES}), _interrupts_held():
        process.start()
    theirs.close()  # so that a dead process is an end of file here
    return _Worker(process, ours)


def _serve(pipe: Connection, work: Work, threads: int) -> None:
    """Run the cells that come through `pipe` until it ends; the body of a worker process."""
    # A nearest-neighbour search in a daemon runs on one thread, which is all a worker has; no need to say so.
    warnings.filterwarnings("ignore", message="Loky-backed parallel loops cannot be called")
    _leave_terminal()
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    fabric = materials = None
    with suppress(KeyboardInterrupt, EOFError, BrokenPipeError):
        while True:
            cell = pipe.recv()
            if fabric is None or materials is None:
                fabric = make_fabric(work.device, work.precision)
                materials = load_materials(work.data, work.far, work.data_root)
            pipe.send(_attempt(cell, work, materials, fabric, quiet=True))


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


def _hand_out(worker: _Worker, waiting: list[Cell]) -> Cell:
    cell = waiting.pop(0)
    with suppress(BrokenPipeError):  # a process that is dead already is noticed when it is read from
        worker.pipe.send(cell)
    return cell


def _receive(worker: _Worker, cell: Cell) -> Outcome:
    try:
        return cast(Outcome, worker.pipe.recv())
    except (EOFError, OSError):
        worker.process.join()
        code = worker.process.exitcode
        hint = ", perhaps for want of memory: try fewer --jobs" if code == -signal.SIGKILL else ""
        return Failed(cell.id, f"its process ended with exit code {code}{hint}")


def _dismiss(worker: _Worker) -> None:
    worker.pipe.close()
    worker.process.join()


def _stop(workers: Sequence[_Worker]) -> None:
    """Interrupt the processes and wait for their checkpoints; a second Ctrl-C ends them at once."""
    for worker in workers:
        if worker.process.pid is not None and worker.process.is_alive():
            os.kill(worker.process.pid, signal.SIGINT)
    try:
        for worker in workers:
            _dismiss(worker)
    except KeyboardInterrupt:
        for worker in workers:
            worker.process.terminate()
        raise


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
