"""Is anything lost when a run is killed? Kill it at random moments, again and again, and compare.

    python benchmarks/kills.py --kills 50 --seed 0 --kinds train benchmark predict tune --json kills.json

Each command runs once undisturbed. Then it runs in fresh folders, its whole process group is killed with
SIGKILL, and the same command follows, until it ends by itself; the results must be those of the first run,
and no half-written file may be left. Half of the kills come at a moment drawn evenly from the run's length;
a quarter 0–50 ms after a file of the run's folder appeared, changed or went, for that is where torn files
come from; a quarter as soon after the long part is done. Worker processes that have left the group are killed
too, or, just as often, left to end by themselves beside the next run. The data are made here; nothing is
downloaded. Exits with 1 when anything differs.
"""

from __future__ import annotations

import argparse
import fnmatch
import itertools
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from kill_kinds import KINDS, Kind
from kill_processes import Sitting, Watch
from same_results import differing

POLL = 0.002  # seconds between two looks at the folder
AFTER_EVENT = 0.05  # seconds, the longest
MOST_KILLS = 6  # in one run; then it may end


@dataclass
class Tally:
    """What became of one command."""

    command: str
    seconds: float = 0.0  # of the undisturbed run
    events: int = 0  # of its files
    runs: int = 0
    kills: Counter[str] = field(default_factory=Counter)  # by moment: before, middle, end
    after_event: int = 0  # of the kills
    workers_left: int = 0  # kills that left worker processes to themselves
    wrong: list[str] = field(default_factory=list)


def undisturbed(kind: Kind, data: Path, folder: Path) -> Tally:
    """Run the command once to its end. Raises SystemExit when it fails."""
    folder.mkdir()
    tally = Tally(" ".join(part for part in kind.arguments if "=" not in part and part != "--set"))
    started = time.monotonic()
    sitting, watch = Sitting(kind, data, folder), Watch(folder)
    while sitting.process.poll() is None:
        watch.look()
        time.sleep(POLL)
    if sitting.process.returncode:
        raise SystemExit(f"euinet {tally.command} fails undisturbed:\n{sitting.log.read_text()}")
    tally.seconds, tally.events = time.monotonic() - started, watch.look()
    return tally


def disturbed(kind: Kind, data: Path, folder: Path, tally: Tally, kills: int, draw: random.Random) -> None:
    """Run the command until it ends by itself, killing it up to `kills` times on the way."""
    folder.mkdir()
    tally.runs += 1
    left: list[Sitting] = []
    for number in itertools.count():
        sitting = Sitting(kind, data, folder)
        if number == kills or not killed(sitting, kind, folder, tally, draw):
            break
        left.append(sitting)
    limit = 60 + 10 * tally.seconds
    try:
        code = sitting.process.wait(timeout=limit)
    except subprocess.TimeoutExpired:
        sitting.kill(workers=True)
        code = -1
    if code:
        tally.wrong.append(f"ended with {code}: {sitting.log.read_text().splitlines()[-1:]}")
    tally.wrong += ["a worker did not end" for one in [*left, sitting] if not one.gone()]


def killed(sitting: Sitting, kind: Kind, folder: Path, tally: Tally, draw: random.Random) -> bool:
    """Kill the sitting at a moment drawn from the run's length or its files' events; False: it was over."""
    watch, started = Watch(folder), time.monotonic()
    trigger = draw.choice(["time", "time", "event", "ending"])
    moment, event = draw.uniform(0, tally.seconds), draw.randint(1, max(1, tally.events // 2))
    while sitting.process.poll() is None:
        events = watch.look()
        if trigger == "time" and time.monotonic() - started >= moment:
            break
        reached = {"event": events >= event, "ending": events > 0 and moment_of(kind, folder) == "end"}
        if reached.get(trigger):
            time.sleep(draw.uniform(0, AFTER_EVENT))
            break
        time.sleep(POLL)
    else:
        return False
    workers = draw.random() < 0.5
    sitting.kill(workers=workers)
    if sitting.process.returncode != -signal.SIGKILL:
        return False  # it was quicker
    tally.workers_left += bool(sitting.alive())
    tally.after_event += trigger != "time"
    tally.kills[moment_of(kind, folder)] += 1
    return True


def moment_of(kind: Kind, folder: Path) -> str:
    """Return how far the run was: before anything to go on from, in the middle, or at the end."""
    names = [str(path.relative_to(folder)) for path in folder.rglob("*")]
    pattern, count = kind.ending
    if len(fnmatch.filter(names, pattern)) >= count:
        return "end"
    return "middle" if fnmatch.filter(names, kind.begun) else "before"


# --- the whole ---------------------------------------------------------------------------------------


def make_data(folder: Path) -> None:
    """Write four classes of 60 images of 16 × 16 pixels, bright in one quadrant, and 4,096 of noise."""
    numbers = np.random.default_rng(0)
    for label, name in enumerate("abcd"):
        (folder / "images" / name).mkdir(parents=True)
        row, column = divmod(label, 2)
        for number in range(60):
            image = numbers.integers(0, 90, (16, 16), dtype=np.uint8)
            image[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] += 150
            Image.fromarray(image).save(folder / "images" / name / f"{number:03}.png")
    np.save(folder / "many.npy", numbers.integers(0, 256, (4096, 28, 28), dtype=np.uint8))


def try_out(kind: Kind, kills: int, data: Path, work: Path, draw: random.Random) -> Tally:
    """Return what became of a command under so many kills, in the new folder `work`."""
    work.mkdir()
    reference = work / "reference"
    tally = undisturbed(kind, data, reference)
    while (left := kills - tally.kills.total()) > 0 and tally.runs < kills:
        folder = work / f"run-{tally.runs}"
        disturbed(kind, data, folder, tally, min(left, draw.randint(1, MOST_KILLS)), draw)
        tally.wrong += [f"{folder.name}: {name}" for name in differing(reference, folder, kind.results)]
        if not tally.wrong:
            shutil.rmtree(folder)
        told = f"{tally.kills.total()} of {kills} kills, {len(tally.wrong)} wrong"
        print(f"euinet {tally.command}: {told}", file=sys.stderr, flush=True)
    if not tally.wrong:
        shutil.rmtree(reference)
    return tally


def table(tallies: list[Tally]) -> Iterator[str]:
    """Yield the lines of a Markdown table, one a command."""
    heads = [
        *("command", "undisturbed", "runs", "kills", "before anything was kept", "in the middle"),
        "at the end",
    ]
    heads += ["by a file", "workers left behind", "wrong"]
    yield f"| {' | '.join(heads)} |"
    yield "| --- |" + " ---: |" * (len(heads) - 1)
    for one in tallies:
        kills = [one.kills.total(), *(one.kills[moment] for moment in ("before", "middle", "end"))]
        cells = [f"`{one.command}`", f"{one.seconds:.0f} s", one.runs, *kills]
        cells += [one.after_event, one.workers_left, len(one.wrong)]
        yield f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Read the arguments, kill, compare, tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--kills", type=int, default=50, help="over all commands, shared out evenly")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="a new folder, kept; else a temporary one")
    parser.add_argument("--json", type=Path, help="write the counts and what was wrong to this file")
    arguments = parser.parse_args()
    chosen = [kind for name in arguments.kinds for kind in KINDS[name]]
    draw = random.Random(arguments.seed)
    work = (arguments.work or Path(tempfile.mkdtemp(prefix="kills-"))).resolve()
    make_data(work / "data")
    tallies = []
    for number, kind in enumerate(chosen):
        share = arguments.kills * (number + 1) // len(chosen) - arguments.kills * number // len(chosen)
        tallies.append(try_out(kind, share, work / "data", work / str(number), draw))
    print("\n".join(table(tallies)))
    if arguments.json:
        plain = [vars(tally) | {"kills": dict(tally.kills)} for tally in tallies]
        arguments.json.write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")
    wrong = [f"{tally.command}: {what}" for tally in tallies for what in tally.wrong]
    if wrong:
        raise SystemExit("\n".join([f"Something was lost; see {work}.", *wrong]))
    if not arguments.work:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
