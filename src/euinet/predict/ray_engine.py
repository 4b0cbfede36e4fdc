"""Parts scored by Ray's workers, on this machine or a cluster; ray is imported on demand.

Each worker loads the model once and takes one part after another: Ray Data gives a part that a killed worker
had to another one. Parts are written under their numbers, whole or not at all, so a part that was done twice
is still there once, and the rows do not depend on who scored what.
"""

import logging
import os
import pickle
import platform
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from euinet.errors import DataError, EuiNetError, StorageError, UsageError
from euinet.images.inputs import Found
from euinet.model.model import Model
from euinet.model.opening import load
from euinet.predict.blocks import batches
from euinet.predict.parts import JOB_FILE, Parts
from euinet.predict.run import write_part
from euinet.system.notify import Notify
from euinet.system.progress import Progress

STORE_BYTES = 2**28  # that Ray keeps for objects on this machine; ours are lists of names
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # what goes wrong is raised
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else a warning on machines without a GPU
}


def write_parts_with_ray(
    model: str, found: Found, parts: Parts, numbers: Sequence[int], workers: int | None, notify: Notify
) -> None:
    """Write the parts with these `numbers` by `workers` workers; without, one for each processor or GPU.

    The cluster is that of RAY_ADDRESS, or this machine. Its machines need euinet, and must see the model,
    the images and the output under the same paths. Raises UsageError without ray or for more workers than
    the cluster has processors or GPUs, and the first error of a worker as a DataError.
    """
    with redirect_stdout(sys.stderr):  # where Ray would tell of a killed worker, among our results
        ray = import_ray()
        cuda = parts.job.device == "cuda"
        ours = _start(ray, workers)
        try:
            most = int(ray.cluster_resources().get("GPU" if cuda else "CPU", 0))
            count = min(_checked(workers, most, cuda), len(numbers))
            notify(f"{count} workers score {len(numbers)} parts.")
            items = [{"number": number, "found": _packed(found, parts, number)} for number in numbers]
            scored = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
                PartWriter,
                fn_constructor_args=(model, str(Path.cwd()), parts),
                batch_size=1,
                batch_format="pyarrow",
                compute=ray.data.ActorPoolStrategy(size=count),
                num_cpus=0 if cuda else 1,
                num_gpus=1 if cuda else None,
            )
            _watch(scored, parts, numbers, notify)
        finally:
            if ours:
                ray.shutdown()


class PartWriter:
    """A worker: the model, loaded once, and the parts it is given."""

    def __init__(self, model: str, folder: str, parts: Parts) -> None:
        self.name, self.folder, self.parts = model, folder, parts
        self.model: Model | None = None

    def __call__(self, batch: Any) -> dict[str, list[Any]]:
        """Write one part: a table of one row, `number` and `found`. Return its number and what went wrong."""
        number = batch["number"][0].as_py()
        try:
            os.chdir(self.folder)  # paths are told as the user gave them
            found = pickle.loads(batch["found"][0].as_py())
            self._write(number, found)
        except (EuiNetError, OSError) as error:
            return {"number": [number], "error": [str(error)]}
        return {"number": [number], "error": [""]}

    def _write(self, number: int, found: Found) -> None:
        parts, machine = self.parts, platform.node()
        if self.model is None:
            model = load(self.name, parts.job.device)
            if model.fingerprint != parts.job.model:
                raise StorageError(f"{self.name} is another model on {machine} than here: copy it there.")
            self.model = model
        if not (parts.folder / JOB_FILE).is_file():
            raise StorageError(
                f"{machine} does not see {parts.folder}: write to a folder that all machines share."
            )
        reads = found.read(self.model.reads)
        write_part(self.model, batches(reads, parts.job.part_images), parts, number)


def import_ray() -> Any:
    """Return ray with ray.data, told to be quiet. Raises UsageError, with the remedy, where it is missing."""
    os.environ.update(_QUIET)  # read when ray is imported
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UsageError(
            f"--engine ray needs the package {error.name}: install it with pip install 'euinet[scale]'."
        ) from error
    return ray


def _start(ray: Any, workers: int | None) -> bool:
    """Join the cluster of RAY_ADDRESS or start one on this machine; return whether it is ours to end."""
    if ray.is_initialized():
        return False
    address = os.environ.get("RAY_ADDRESS") or "local"
    local = {
        "num_cpus": max(workers or 0, os.cpu_count() or 1),
        "object_store_memory": STORE_BYTES,
        "include_dashboard": False,
    }
    try:
        ray.init(
            address=address,
            logging_level=logging.ERROR,
            log_to_driver=False,
            **(local if address == "local" else {}),
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        what = " ".join(str(error).split())[:200]
        raise UsageError(
            f"There is no Ray cluster at {address} ({what}): correct RAY_ADDRESS, or unset it to use "
            "this machine."
        ) from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return True


def _checked(workers: int | None, most: int, cuda: bool) -> int:
    kind = "GPU" if cuda else "processor"
    if most < max(workers or 1, 1):
        raise UsageError(
            f"{workers or 1} workers need a {kind} each, but Ray's cluster has {most}: give fewer --workers, "
            "or add machines."
        )
    return workers or most


def _packed(found: Found, parts: Parts, number: int) -> bytes:
    """Return a part's images as bytes: names and places, not pixels, but for arrays that are in memory."""
    return pickle.dumps(found.part(*parts.job.bounds(number)))


def _watch(scored: Any, parts: Parts, numbers: Sequence[int], notify: Notify) -> None:
    progress = Progress(sum(stop - start for start, stop in map(parts.job.bounds, numbers)), notify)
    done = 0
    for row in scored.iter_rows():
        if row["error"]:
            raise DataError(row["error"])
        start, stop = parts.job.bounds(row["number"])
        done += stop - start
        progress.show(done)
