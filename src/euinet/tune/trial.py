"""One trial: its settings put into the preset, its cells trained and judged, its numbers kept.

OUT/trials/NNNN/cells/ID/      as a benchmark's cells; models and checkpoints of the best trial alone stay
                trial.json     settings, objective and what was measured; written before the journal is told
                error.txt      where it came to from an error
"""

import json
import shutil
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from lightning_fabric import Fabric

from euinet.benchmark.cell import SCORES_FILE, run_cell
from euinet.benchmark.networks import GAN_FILE, MODEL_FOLDER, drop_checkpoint
from euinet.benchmark.plan import Cell
from euinet.benchmark.results import OWN, TEST, CellResult
from euinet.benchmark.store import CELLS_FOLDER, make_identity, read_result
from euinet.benchmark.work import Materials, Work
from euinet.errors import EuiNetError, StorageError, UsageError
from euinet.presets import get_preset
from euinet.system.files import write_text
from euinet.tune.journal import trial_folder
from euinet.tune.plan import Judges, SearchRequest

TRIAL_FILE, ERROR_FILE = "trial.json", "error.txt"
MEASURES = ("auroc", "fpr95", "oscr", "id_accuracy", "ood_accuracy")

State = Literal["finished", "forbidden", "failed"]


@dataclass(frozen=True)
class TrialResult:
    """What a trial came to; `trial.json` holds it.

    `finished`: it has an objective. `forbidden`: the settings may not stand together, nothing was trained.
    `failed`: training or scoring raised an error, such as a loss that is not finite.
    """

    number: int
    settings: dict[str, str]  # every searched setting, as --set takes it
    state: State
    objective: float | None  # mean over the cells; None unless finished
    cells: dict[str, dict[str, float]]  # by cell: MEASURES, closed_set_accuracy, train_seconds
    error: str | None
    seconds: float  # of this trial's last sitting

    def mean(self, measure: str) -> float | None:
        """Return the mean over the cells; None where there are none."""
        return fmean(cell[measure] for cell in self.cells.values()) if self.cells else None


def run_trial(
    number: int,
    settings: Mapping[str, str],
    asked: SearchRequest,
    judges: Judges,
    materials: Materials,
    fabric: Fabric,
    *,
    quiet: bool,
) -> TrialResult:
    """Run what is left of a trial and return what it came to; what an earlier sitting did is not done again.

    An error is the trial's, not the search's, but for StorageError: a full disk would spoil them all.
    """
    started = time.monotonic()

    def judged(state: State, results: list[CellResult], error: str | None) -> TrialResult:
        cells = {result.cell: _measures(result) for result in results}
        objective = fmean(cell[asked.objective] for cell in cells.values()) if state == "finished" else None
        seconds = round(time.monotonic() - started, 1)
        return TrialResult(number, dict(settings), state, objective, cells, error, seconds)

    try:
        preset = get_preset(asked.preset.name, {**asked.fixed, **settings})
    except UsageError as error:
        return judged("forbidden", [], str(error))
    results: list[CellResult] = []
    try:
        for cell in judges.cells(preset):
            result = _run_cell(cell, number, asked, materials, fabric, quiet=quiet)
            results.append(result)  # one by one: a failed trial keeps what came before
    except StorageError:
        raise
    except Exception as error:
        with suppress(Exception):  # where even this cannot be written, the sentence remains
            write_text(trial_folder(asked.out, number) / ERROR_FILE, traceback.format_exc())
        told = str(error) if isinstance(error, EuiNetError) else f"{type(error).__name__}: {error}"
        return judged("failed", results, told)
    return judged("finished", results, None)


def _run_cell(
    cell: Cell, number: int, asked: SearchRequest, materials: Materials, fabric: Fabric, *, quiet: bool
) -> CellResult:
    precision = str(fabric.strategy.precision.precision)
    work = Work(
        data=asked.data,
        detectors=(OWN,),
        far=(),
        class_names=materials.dataset.class_names,
        unknown_sets=(TEST,),
        identity=make_identity(materials.dataset, cell.preset, precision, pseudo=True),
        far_fingerprints={},
        out=trial_folder(asked.out, number),
        device=asked.device,
        precision=asked.precision,
        data_root=asked.data_root,
    )
    earlier = read_result(work.out, cell.id)
    return earlier or run_cell(cell, work, materials, fabric, quiet=quiet)


def _measures(result: CellResult) -> dict[str, float]:
    row = result.row(OWN, TEST)
    return {
        **{measure: getattr(row, measure) for measure in MEASURES},
        "closed_set_accuracy": result.closed_set_accuracy,
        "train_seconds": result.train_seconds,
    }


def write_judged(out: Path, judged: TrialResult) -> None:
    """Write a trial's trial.json, whole or not at all."""
    path = trial_folder(out, judged.number) / TRIAL_FILE
    write_text(path, json.dumps(asdict(judged), indent=2) + "\n")


def read_judged(out: Path, number: int) -> TrialResult:
    """Return what `write_judged` was given. Raises StorageError when it is not there or damaged."""
    path = trial_folder(out, number) / TRIAL_FILE
    try:
        plain: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return TrialResult(**plain)
    except (OSError, ValueError, TypeError) as error:
        raise StorageError(
            f"{path} is missing or damaged, though the journal has this trial as done; restore it, or choose "
            "another --out."
        ) from error


def drop_networks(out: Path, number: int) -> None:
    """Remove a trial's models, checkpoints and scores; its numbers and logs stay."""
    for folder in (trial_folder(out, number) / CELLS_FOLDER).glob("*"):
        shutil.rmtree(folder / MODEL_FOLDER, ignore_errors=True)
        for name in (GAN_FILE, SCORES_FILE):
            (folder / name).unlink(missing_ok=True)
        drop_checkpoint(folder)
