"""Who runs the cells: this process, one after the other, or several, each handed one cell at a time."""

import multiprocessing
import signal
import traceback
import warnings
from collections.abc import Generator, Sequence
from contextlib import suppress
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
from euinet.system.files import write_text
from euinet.system.worker_processes import end_workers, start_worker, threads_each
from euinet.training.devices import make_fabric

ERROR_FILE = "error.txt"


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
        for worker, _ in running.values():
            worker.pipe.close()
        end_workers([worker.process for worker, _ in running.values()])


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
    ours, theirs = multiprocessing.Pipe()
    process = start_worker(_serve, (theirs, work, threads_each(jobs)), jobs)
    theirs.close()  # so that a dead process is an end of file here
    return _Worker(process, ours)


def _serve(pipe: Connection, work: Work, threads: int) -> None:
    """Run the cells that come through `pipe` until it ends; the body of a worker process."""
    # A nearest-neighbour search in a daemon runs on one thread, which is all a worker has; no need to say so.
    warnings.filterwarnings("ignore", message="Loky-backed parallel loops cannot be called")
    torch.set_num_threads(threads)
    fabric = materials = None
    with suppress(KeyboardInterrupt, EOFError, BrokenPipeError):
        while True:
            cell = pipe.recv()
            if fabric is None or materials is None:
                fabric = make_fabric(work.device, work.precision)
                materials = load_materials(work.data, work.far, work.data_root)
            pipe.send(_attempt(cell, work, materials, fabric, quiet=True))


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
