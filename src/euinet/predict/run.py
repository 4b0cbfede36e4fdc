"""Predicting, every step in order: read the images, answer them in batches, send the rows on."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from euinet.images.inputs import Found
from euinet.images.sources import Read
from euinet.model.model import Model
from euinet.predict.blocks import PART_IMAGES, Block, Tally, answer, batches
from euinet.predict.drift import Drift, measure_drift
from euinet.predict.parts import Parts
from euinet.predict.sinks import Sink
from euinet.system.notify import Notify
from euinet.system.progress import Progress


@dataclass(frozen=True)
class Predicted:
    """What all images say together."""

    images: int
    broken: int
    rejected: int
    drift: Drift | None  # None without p-values

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        answered = self.images - self.broken
        return {
            "images": self.images,
            "broken": self.broken,
            "rejected": self.rejected,
            "rejected_share": self.rejected / answered if answered else None,
            "drift": None if self.drift is None else self.drift.to_plain(),
        }


def predict_all(
    model: Model, found: Found, sinks: Sequence[Sink], notify: Notify, part_images: int = PART_IMAGES
) -> Predicted:
    """Send a row for every image of `found` to all `sinks`, in the order in which the images were named.

    What is broken has its error in its row, and the rest go on. Batches end where a file's parts would.
    Memory does not grow with the images.
    """
    tally = Tally()
    progress = Progress(found.images, notify)
    for reads in batches(found.read(model.reads), part_images):
        block = answer(model, reads)
        for sink in sinks:
            sink.write(block)
        tally.add(block)
        progress.show(tally.images)
    return summary(tally, model)


def write_parts(
    model: Model, found: Found, parts: Parts, numbers: Sequence[int], sinks: Sequence[Sink], notify: Notify
) -> None:
    """Write the parts with these `numbers`, ascending, and send their rows to `sinks` too.

    Parts that follow each other are read in one go: a Parquet file's row group is decoded once.
    """
    job, done = parts.job, 0
    progress = Progress(sum(stop - start for start, stop in map(job.bounds, numbers)), notify)

    def seen(block: Block) -> None:
        nonlocal done
        done += len(block.reads)
        for sink in sinks:
            sink.write(block)
        progress.show(done)

    for first, last in _stretches(numbers):
        stretch = found.part(job.bounds(first)[0], job.bounds(last)[1])
        coming = batches(stretch.read(model.reads), job.part_images)
        for number in range(first, last + 1):
            write_part(model, islice(coming, job.batches_in(number)), parts, number, seen)


def write_part(
    model: Model,
    coming: Iterator[list[Read]],
    parts: Parts,
    number: int,
    seen: Callable[[Block], None] = lambda _: None,
) -> None:
    """Write one part from its batches; each is `seen` when it is answered."""

    def blocks() -> Iterator[Block]:
        for reads in coming:
            block = answer(model, reads)
            yield block
            seen(block)

    parts.write(number, blocks())


def summary(tally: Tally, model: Model) -> Predicted:
    """Return what all images say together."""
    drift = None
    if model.calibration and tally.counted:
        drift = measure_drift(tally.places, tally.rejected, model.calibration, model.class_names)
    return Predicted(tally.images, tally.broken, tally.rejected, drift)


def _stretches(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last of numbers that follow each other: 0 1 4 → (0, 1), (4, 4)."""
    first = last = None
    for number in numbers:
        if first is None or last is None:
            first = number
        elif number != last + 1:
            yield first, last
            first = number
        last = number
    if first is not None and last is not None:
        yield first, last
