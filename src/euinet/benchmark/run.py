"""A whole benchmark: what is left to do, done; then the tables from everything that is there."""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from euinet.benchmark.networks import drop_checkpoint
from euinet.benchmark.pictures import PICTURE_FILE, weakest_cells, write_most_wrong
from euinet.benchmark.plan import Cell, plan_cells
from euinet.benchmark.results import OWN, TEST, CellResult
from euinet.benchmark.store import cell_folder, claim, make_identity, read_result, write_collected
from euinet.benchmark.study import Study
from euinet.benchmark.summary import Summary, summarise, write_summary
from euinet.benchmark.work import Materials, Work, load_materials, with_own
from euinet.benchmark.workers import Failed, Finished, Outcome, in_processes, in_this_process
from euinet.detectors import OWN as OWN_DETECTORS
from euinet.detectors import choose_detectors
from euinet.errors import TrainingError, UsageError
from euinet.networks.trunks import trunk_maker
from euinet.presets import Preset
from euinet.system.lock import sole_user
from euinet.system.notify import Notify
from euinet.system.words import counted
from euinet.training.devices import DeviceName, Precision, make_fabric
from euinet.training.log import clock

PARTS = frozenset(detector.name for detector in OWN_DETECTORS)
"""EuiNet and its parts; all else are others' methods."""


@dataclass(frozen=True)
class BenchmarkRequest:
    """The command's options."""

    data: str
    hold_out: str
    seeds: int
    preset: Preset
    detectors: str
    far: tuple[str, ...]
    pseudo: bool
    out: Path
    jobs: int
    device: DeviceName
    precision: Precision
    data_root: Path | None


@dataclass(frozen=True)
class Ended:
    """What a benchmark came to."""

    summary: Summary | None  # None where no cell is finished
    failures: tuple[Failed, ...]

    def raise_failures(self) -> None:
        """Raise TrainingError naming each cell that failed, if any did."""
        if self.failures:
            told = "".join(f"\n  {failure.cell}: {failure.error}" for failure in self.failures)
            raise TrainingError(
                f"{counted(len(self.failures), 'cell')} failed; each one has an error.txt in its folder, and "
                f"the same command tries again.{told}"
            )


def run_benchmark(asked: BenchmarkRequest, notify: Notify) -> Ended:
    """Run what is left of a benchmark; return the summary of all of it, and what failed.

    Raises UsageError for a wrong option and for an --out of another benchmark, before anything is trained.
    """
    if asked.jobs < 1:
        raise UsageError(f"--jobs is {asked.jobs}, but must be at least 1.")
    trunk_maker(asked.preset.model)
    detectors = with_own(choose_detectors(asked.detectors))
    materials = load_materials(asked.data, asked.far, asked.data_root, notify)
    cells = plan_cells(
        asked.data, materials.dataset, asked.hold_out, asked.seeds, asked.preset, pseudo=asked.pseudo
    )
    for cell in {(cell.held_out, cell.pseudo): cell for cell in cells}.values():
        for name in materials.far_sets:
            materials.far_for(cell, name)  # refuses a set of which nothing is left
    work = _work(asked, detectors, materials)
    with sole_user(asked.out):
        return _run(asked, work, materials, cells, notify)


def _run(
    asked: BenchmarkRequest, work: Work, materials: Materials, cells: tuple[Cell, ...], notify: Notify
) -> Ended:
    """Run the cells that are not finished, in an --out of our own, and conclude."""
    claim(asked.out, work.identity, work.far_fingerprints)
    done = _finished_before(cells, work)
    todo = tuple(cell for cell in cells if cell.id not in done)
    for name in done:
        drop_checkpoint(cell_folder(work.out, name))  # a kill may have come between the result and this
    if done:
        notify(f"{len(done)} of {len(cells)} cells are finished already and are not run again.")
    jobs = min(asked.jobs, max(1, len(todo)))
    outcomes = in_this_process(todo, work, materials) if jobs == 1 else in_processes(todo, work, jobs)
    try:
        with closing(outcomes):
            failures = _follow(outcomes, work, cells, len(todo), done, notify)
    except KeyboardInterrupt:
        notify(
            f"Interrupted; {len(done)}/{len(cells)} cells are done, and the same command goes on from here."
        )
        raise
    return _conclude(work, materials, cells, done, failures)


def _work(asked: BenchmarkRequest, detectors: tuple[str, ...], materials: Materials) -> Work:
    fabric = make_fabric(asked.device, asked.precision)
    precision = str(fabric.strategy.precision.precision)
    return Work(
        data=asked.data,
        detectors=detectors,
        far=asked.far,
        class_names=materials.dataset.class_names,
        unknown_sets=(TEST, *materials.far_sets),
        identity=make_identity(materials.dataset, asked.preset, precision, pseudo=asked.pseudo),
        far_fingerprints=materials.far_fingerprints(),
        out=asked.out,
        device=asked.device,
        precision=asked.precision,
        data_root=asked.data_root,
    )


def _finished_before(cells: tuple[Cell, ...], work: Work) -> dict[str, CellResult]:
    """Return the results that have everything asked for, by cell."""
    found = {cell.id: read_result(work.out, cell.id) for cell in cells}
    return {
        name: result
        for name, result in found.items()
        if result is not None and work.wanted <= {row.key for row in result.rows}
    }


def _follow(
    ended: Iterable[Outcome],
    work: Work,
    cells: tuple[Cell, ...],
    todo: int,
    done: dict[str, CellResult],
    notify: Notify,
) -> list[Failed]:
    """Put each result into `done` and the collected files as it comes; return failures."""
    failures: list[Failed] = []
    started = time.monotonic()
    for count, outcome in enumerate(ended, start=1):
        if isinstance(outcome, Finished):
            done[outcome.result.cell] = outcome.result
            _collect(work, cells, done)
        else:
            failures.append(outcome)
        left = (time.monotonic() - started) / count * (todo - count)
        time_left = f"; about {clock(left)} left" if count < todo else ""
        notify(f"{len(done)}/{len(cells)} cells done. {_told(outcome)}{time_left}")
    return failures


def _told(outcome: Outcome) -> str:
    if isinstance(outcome, Failed):
        return f"{outcome.cell} FAILED: {outcome.error}"
    result = outcome.result
    auroc = result.row(OWN, TEST).auroc
    return f"{result.cell}: EuiNet AUROC {auroc:.4f}, trained in {clock(result.train_seconds)}"


def _collect(work: Work, cells: tuple[Cell, ...], done: Mapping[str, CellResult]) -> None:
    results = [done[cell.id] for cell in cells if cell.id in done]
    write_collected(work.out, results, work.detectors, work.unknown_sets)


def _conclude(
    work: Work,
    materials: Materials,
    cells: tuple[Cell, ...],
    done: Mapping[str, CellResult],
    failures: Sequence[Failed],
) -> Ended:
    """Write the collected results, tables and pictures of what is done."""
    if not done:
        return Ended(None, tuple(failures))
    _collect(work, cells, done)
    study = make_study(work, cells, done)
    summary = summarise(study, work.identity)
    write_summary(summary, work.out)
    write_most_wrong(
        materials.dataset.name,
        weakest_cells(study, cells, work.out, materials.dataset),
        work.out / PICTURE_FILE,
    )
    return Ended(summary, tuple(failures))


def make_study(work: Work, cells: Sequence[Cell], done: Mapping[str, CellResult]) -> Study:
    """Return what the tables are made from: the finished cells, in the order of the plan."""
    return Study(
        results=tuple(done[cell.id] for cell in cells if cell.id in done),
        planned=tuple((cell.id, cell.seed) for cell in cells),
        detectors=work.detectors,
        rivals=tuple(name for name in work.detectors if name not in PARTS),
        far_sets=tuple(name for name in work.unknown_sets if name != TEST),
    )
