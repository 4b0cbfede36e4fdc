"""How often drift is cried when there is none, and how often it is seen when there is some: a simulation.

    python benchmarks/drift.py                         # half an hour on two cores
    python benchmarks/drift.py --batches 2000 --streams 200 --processes 1

Each batch, and each stream, meets calibration images of its own. Where false alarms are counted, the scores
of nine answers lie at different heights and are spread differently. Where drift is to be seen they are
alike, which suits the former test best: a one-sided Kolmogorov–Smirnov test of all p-values together, at p
< 0.001. Writes docs/results/drift.md.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from euinet.inbox.martingale import ALARM as BOUND
from euinet.inbox.martingale import Martingale, scales
from euinet.model.conformal import Calibration
from euinet.predict.drift import ALARM, PlaceCounts, measure_drift, places
from euinet.system.files import write_text

CLASSES = 9
NAMES = tuple("123456789")
HEIGHT, SPREAD = np.linspace(-4, 4, CLASSES), np.geomspace(0.3, 3, CLASSES)
CALIBRATION = (19, 100, 900, 2164)
BATCHES = (20, 100, 300, 1000)
OUT = Path("docs/results/drift.md")
PIECES = 20  # of a row, each with random numbers of its own
FORMER_ALARM = 0.001
FORMER = 10  # the former test is tried on every tenth batch where false alarms are counted
T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """Where a batch comes from, beside the calibration images' own world; shifts in standard deviations."""

    name: str
    classes: int = CLASSES  # how many of them the batch is of, those with the highest scores
    alike: bool = True  # the classes' scores
    shift: float = 0.0  # of all scores
    first: float = 0.0  # of the first class's scores
    strangers: float = 0.0  # share of images whose scores lie 4 standard deviations higher
    spread: float = 1.0  # of all scores, times

    def images(self, generator: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the scores and answers of so many images."""
        answers = generator.integers(CLASSES - self.classes, CLASSES, size=count)
        plain = self.spread * generator.normal(size=count) + self.shift + self.first * (answers == 0)
        plain += 4 * (generator.random(count) < self.strangers)
        return plain if self.alike else HEIGHT[answers] + SPREAD[answers] * plain, answers

    @property
    def before(self) -> World:
        """The calibration images' world."""
        return World("as in calibration", alike=self.alike)


SAME = World("as in calibration", alike=False)
ONE = World("one class", classes=1, alike=False)
WORLDS = (
    World("all by 0.25", shift=0.25),
    World("all by 0.5", shift=0.5),
    World("all by 1", shift=1),
    World("one of the nine classes by 1", first=1),
    World("one class alone, by 1", classes=1, shift=1),
    World("5 % strangers", strangers=0.05),
    World("20 % strangers", strangers=0.2),
    World("spread × 1.5", spread=1.5),
)


def former(p_values: np.ndarray, images: int) -> bool:
    """Return whether the former test cried: p-values (N,) of so many calibration images."""
    ordered = np.sort(p_values)
    at_least = (np.round(ordered * (images + 1)) - 1) / images
    statistic = (np.searchsorted(ordered, ordered, side="right") / len(ordered) - at_least).max(initial=0)
    effective = len(ordered) * images / (len(ordered) + images)
    return math.exp(-2 * effective * statistic**2) < FORMER_ALARM


def alarms(world: World, images: int, batch: int, every: int, seed: int, times: int) -> np.ndarray:
    """Return the share of batches in which drift was cried: now, before with one threshold, with one a class.

    The former tests are tried on one batch in `every`.
    """
    generator = np.random.default_rng([seed, images, batch])
    found = np.zeros(3, np.int64)
    for number in range(times):
        calibration = Calibration(*world.before.images(generator, images))
        scores, answers = world.images(generator, batch)
        counts = PlaceCounts()
        counts.add(answers, places(calibration, scores, answers))
        found[0] += measure_drift(counts, 0, calibration, NAMES).drifted
        if number % every == 0:
            found[1] += former(calibration.p_values(scores, answers), images)
            own = replace(calibration, per_class=True)
            found[2] += former(own.p_values(scores, answers), images)
    return found / [times, -(-times // every), -(-times // every)]


def stream(world: World, images: int, before: int, seed: int, times: int) -> list[int]:
    """Return of so many streams after how many images of `world` an alarm came, 0 where none did.

    `before` images as in calibration come first, then 2,000 of `world`, ten at a time.
    """
    generator = np.random.default_rng([seed, images, before])
    found = []
    for _ in range(times):
        of_answer = scales(Calibration(*world.before.images(generator, images)))
        martingale, after = Martingale(of_answer), 0
        for start in range(-before, 2000, 10):
            scores, answers = (world.before if start < 0 else world).images(generator, 10)
            placed = Counter(
                (answer, of_answer[answer].place(score))
                for answer, score in zip(answers.tolist(), scores.tolist(), strict=True)
                if answer in of_answer
            )
            if martingale.add(placed, generator):
                after = max(start + 10, 1)
                break
        found.append(after)
    return found


def upper(alarms: int, times: int) -> float:
    """Return the 97.5 % upper Clopper–Pearson bound of a share."""
    from scipy.stats import beta  # type: ignore[import-untyped]

    return float(beta.ppf(0.975, alarms + 1, times - alarms))


def spread_out(pool: ProcessPoolExecutor, work: Callable[[int, int], T], times: int) -> list[T]:
    """Return what `work(seed, times)` gives for the pieces."""
    return list(pool.map(work, range(PIECES), [times // PIECES] * PIECES))


def false_alarm_rows(pool: ProcessPoolExecutor, times: int) -> list[str]:
    """Return a line for each number of calibration images, size of batch and mix, and one for all."""
    lines, total = list[str](), 0
    for world in (SAME, ONE):
        for images in CALIBRATION:
            for batch in BATCHES:
                shares = spread_out(pool, partial(alarms, world, images, batch, FORMER), times)
                share, shared, own = np.mean(shares, axis=0)
                now = round(share * times)
                total += now
                lines.append(
                    f"| {images:,} | {batch:,} | {world.name} | {now} | {share:.3%} | "
                    f"{upper(now, times):.3%} | {shared:.2%} | {own:.2%} |"
                )
                print(lines[-1], flush=True)
    every = times * len(lines)
    lines.append(f"| all | | | {total} | {total / every:.4%} | {upper(total, every):.4%} | | |")
    return lines


def power_rows(pool: ProcessPoolExecutor, times: int) -> list[str]:
    """Return a line for each drift and number of calibration images: now / before, for each size of batch."""
    lines = []
    for world in WORLDS:
        for images in CALIBRATION:
            cells = []
            for batch in BATCHES:
                shares = spread_out(pool, partial(alarms, world, images, batch, 1), times)
                now, shared, _ = np.mean(shares, axis=0)
                cells.append(f"{now:.0%} / {shared:.0%}")
            lines.append(f"| {world.name} | {images:,} | {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    return lines


def stream_rows(pool: ProcessPoolExecutor, times: int) -> list[str]:
    """Return a line for each stream: how many had an alarm, and after how many images."""
    lines = []
    kinds = [(SAME, 0, times), (ONE, 0, times)]
    kinds += [(World(f"all by {shift:g}", shift=shift), late, 20) for shift in (0.5, 1) for late in (0, 2000)]
    for world, before, number in kinds:
        for images in CALIBRATION:
            pieces = spread_out(pool, partial(stream, world, images, before), number)
            found = np.array([after for piece in pieces for after in piece])
            raised = found[found > 0]
            after = f"{np.median(raised):,.0f}" if len(raised) else "–"
            bound = "–" if world.alike else f"{upper(len(raised), len(found)):.2%}"
            lines.append(
                f"| {images:,} | {before:,} | {world.name} | {len(found):,} | {len(raised):,} | "
                f"{bound} | {after} |"
            )
            print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Run all of it, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=20_000, help="for each row of false alarms")
    parser.add_argument("--power", type=int, default=400, help="batches for each cell of power")
    parser.add_argument("--streams", type=int, default=100, help="for each row of streams")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    with ProcessPoolExecutor(given.processes) as pool:
        text = [
            "# Drift, simulated",
            f"By `python benchmarks/drift.py --batches {given.batches} --power {given.power} --streams "
            f"{given.streams}`; nine classes, drift is cried at p ≤ {ALARM}.",
            f"## False alarms of a batch: {given.batches:,} batches a row (before: a tenth of them)",
            "| calibration images | batch | mix | alarms | share | 97.5 % upper bound "
            "| before, one threshold | before, one a class |\n"
            "| ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |\n"
            + "\n".join(false_alarm_rows(pool, given.batches)),
            f"## Alarms when there is drift, now / before: {given.power:,} batches a cell",
            f"| scores | calibration images | {' | '.join(f'{batch:,} images' for batch in BATCHES)} |\n"
            "| --- | ---: | ---: | ---: | ---: | ---: |\n" + "\n".join(power_rows(pool, given.power)),
            f"## Streams of 2,000 images, and as many before or none: an alarm at {BOUND:,.0f}",
            "| calibration images | images before | scores | streams | alarms | 97.5 % upper bound "
            "| images to the alarm, median |\n| ---: | ---: | --- | ---: | ---: | ---: | ---: |\n"
            + "\n".join(stream_rows(pool, given.streams)),
        ]
    write_text(given.out, "\n\n".join(text) + "\n")


if __name__ == "__main__":
    main()
