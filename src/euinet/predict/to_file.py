"""From images to a file of rows: what was finished before is kept, the rest is scored here or by Ray."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from euinet.errors import StorageError, UsageError
from euinet.images.inputs import Found
from euinet.model.model import Model
from euinet.predict.blocks import PART_IMAGES, Tally
from euinet.predict.parts import Job, Parts, open_parts
from euinet.predict.run import Predicted, summary, write_parts
from euinet.predict.sinks import Sink, check_format
from euinet.system.notify import Notify
from euinet.system.version import VERSION


@dataclass(frozen=True)
class Order:
    """How a file of rows is to be made."""

    device: str
    part_images: int = PART_IMAGES
    fresh: bool = False  # throw away what an unfinished run left
    ray: bool = False
    workers: int | None = None  # of Ray; None: as many as its cluster has processors, or GPUs

    @property
    def own_device(self) -> str:
        """Where this process computes: with Ray it only looks at the model."""
        return "cpu" if self.ray else self.device


def check_order(order: Order, out: Path | None, csv: bool, json: bool) -> None:
    """Raise UsageError for what cannot be had together, or without Ray where it is asked for."""
    if csv and json:
        raise UsageError("--csv and --json cannot both be printed: choose one, or write one with --out.")
    if out is not None:
        check_format(out)
    if order.fresh and out is None:
        raise UsageError("--fresh is about what a run with --out left: give --out, too.")
    if order.workers is not None and not order.ray:
        raise UsageError("--workers are Ray's: give --engine ray, too.")
    if order.ray:
        if out is None or csv or json:
            raise UsageError(
                "--engine ray writes a file and prints no rows: give --out, without --csv and --json."
            )
        if order.device == "mps":
            raise UsageError("--engine ray computes on cpu or cuda: choose one of these as --device.")
        from euinet.predict.ray_engine import import_ray

        import_ray()


def predict_to_file(
    model: Model, found: Found, out: Path, order: Order, sinks: Sequence[Sink], notify: Notify
) -> Predicted:
    """Write a row for every image to `out`, whole or not at all, and send the rows to `sinks` too.

    Finished parts of an earlier run of the same job are kept, unless `sinks` need their rows. Killed at any
    time and run again, it ends with the same bytes as if it had never been. Raises UsageError or
    StorageError as `open_parts` does.
    """
    job = job_of(model, found, check_format(out), order)
    with open_parts(out, job, order.fresh) as parts:
        finished = {} if sinks else parts.finished()
        missing = [number for number in range(job.parts) if number not in finished]
        if finished:
            notify(_going_on(len(finished), job.parts))
        try:
            if order.ray and missing:
                from euinet.predict.ray_engine import write_parts_with_ray

                write_parts_with_ray(model.name, found, parts, missing, order.workers, notify)
            else:
                write_parts(model, found, parts, missing, sinks, notify)
        except KeyboardInterrupt:
            notify(f"{len(parts.finished())} of {job.parts} parts are finished; the same command goes on.")
            raise
        total = _total(parts, finished)
        parts.join()
    return summary(total, model)


def job_of(model: Model, found: Found, ending: str, order: Order) -> Job:
    """Return what identifies the job, whichever engine does it."""
    # with Ray it is the workers' device, not this process's
    device = "cuda" if order.ray and order.device == "cuda" else model.device
    return Job(
        model=model.fingerprint,
        class_names=model.class_names,
        inputs=found.identity(),
        images=found.images,
        part_images=order.part_images,
        format=ending,
        device=device,
        version=VERSION,
    )


def _going_on(finished: int, parts: int) -> str:
    if finished == parts:
        return f"All {parts} parts were finished by an earlier run: joining them."
    return f"Going on: {finished} of {parts} parts were finished by an earlier run."


def _total(parts: Parts, finished: dict[int, Tally]) -> Tally:
    total = Tally()
    for number in range(parts.job.parts):
        tally = finished.get(number) or parts.tally(number)
        if tally is None:
            raise StorageError(
                f"The part {parts.rows(number)} was damaged or removed meanwhile; run the command again."
            )
        total.merge(tally)
    return total
