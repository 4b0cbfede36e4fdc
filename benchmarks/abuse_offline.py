"""Do arrays, Parquet, names, streams and models' folders with faults get finite answers or one sentence?

    python benchmarks/abuse_offline.py [--inputs 22000] [--seed 0] [--kinds model] [--only KIND NUMBER]

Inputs are drawn from the seed (abuse_arrays.py, abuse_names.py, abuse_models.py), each by a seed of its own,
so that --only repeats one. They are tried in a process that is started anew when an input ends it. Exits with
1 at a traceback, an answer that is not finite, a sentence that is none, or a process that died.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from server_process import machine

SHARES = {  # of the inputs; how long one takes decides
    **{f"names: {kind}": 5 for kind in ("class names", "file names", "upload names")},
    **{f"streams: {kind}": 4 for kind in ("lists of paths", "standard input")},
    **{f"model: {file}": 2 for file in ("config.json", "model.safetensors", "decision.onnx")},
    "model: record.safetensors": 2,
    **{f"arrays: {kind}": 4 for kind in ("array", "npy", "npz", "parquet")},
    "arrays: idx": 1,
}
PROCESSES = 24  # of whole commands: each takes seconds
SECONDS = 120.0  # for one input
FINE = ("answered", "refused")


def inputs(count: int) -> Iterator[tuple[str, int]]:
    """Yield kinds and numbers of so many inputs, and of PROCESSES more; each kind's together."""
    shares = sum(SHARES.values())
    for kind, share in SHARES.items():
        for number in range(-(-count * share // shares)):
            yield kind, number
    for number in range(PROCESSES):
        yield "streams: processes", number


def work(line: Connection, asked: list[tuple[str, int]], seed: int, name: str) -> None:
    """Try inputs in this process, telling before and after each."""
    import abuse_names
    import euinet
    from abuse_arrays import Drawn, outcome
    from abuse_models import Folders
    from abuse_names import Names, tried
    from euinet.model.opening import find_model

    with tempfile.TemporaryDirectory() as place:
        model, folder = euinet.load(name, threads=1), Path(place)
        drawn = Drawn(0)
        kinds = Names(model, folder / "files").kinds | Folders(find_model(name), folder / "model").kinds

        def one(kind: str, number: int) -> str:
            draw = random.Random(f"{seed} {kind} {number}")
            what = kind.partition(": ")[2]
            if what == "processes":
                return tried(lambda draw: abuse_names.process(draw, folder / "streams", name), draw)
            if not kind.startswith("arrays"):
                return tried(kinds[what], draw)
            drawn.draw = draw
            return outcome(model, folder, what, drawn.kinds[what](), number % 3)

        for kind, number in asked:
            line.send((kind, number, None))
            line.send((kind, number, one(kind, number)))


def results(asked: list[tuple[str, int]], seed: int, name: str) -> Iterator[tuple[str, int, str]]:
    """Yield what came of each input; a process that died is what came of the input that it was at."""
    spawn = multiprocessing.get_context("spawn")
    while asked:
        line, other = spawn.Pipe(duplex=False)
        child = spawn.Process(target=work, args=(other, asked, seed, name))
        child.start()
        other.close()
        at, ended = asked[0], "the process died"
        try:
            while asked:
                if not line.poll(SECONDS * (1 if ended != "the process died" else 3)):
                    ended = f"no end after {SECONDS:g} s"
                    break
                kind, number, came = line.recv()
                at = (kind, number)
                if came is not None:
                    asked = asked[1:]
                    yield kind, number, came
        except EOFError:
            child.join()
            ended += f" (exit code {child.exitcode})"
        child.kill()
        child.join()
        if asked:
            asked = asked[1:]
            yield *at, ended


def table(found: Counter[tuple[str, str]]) -> str:
    """Return what came out by kind as a Markdown table."""
    lines = ["| kind | inputs | answered | refused | wrong |", "| --- | ---: | ---: | ---: | ---: |"]
    for kind in dict.fromkeys(kind for kind, _ in found):
        counts = [found[kind, came] for came in (*FINE, "wrong")]
        lines.append(f"| {kind} | {sum(counts):,} | " + " | ".join(f"{count:,}" for count in counts) + " |")
    return "\n".join(lines)


def main() -> None:
    """Try them all, and tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="mnist-without-0")
    parser.add_argument("--inputs", type=int, default=22_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default="", help="only those that begin so, such as model")
    parser.add_argument("--only", nargs=2, metavar=("KIND", "NUMBER"), help="one input, such as a failed one")
    parser.add_argument("--json", type=Path, help="write the counts to this file")
    asked = parser.parse_args()
    wanted = [(asked.only[0], int(asked.only[1]))] if asked.only else list(inputs(asked.inputs))
    wanted = [one for one in wanted if one[0].startswith(asked.kinds)]
    print(machine(), f"seed {asked.seed}", sep="; ", flush=True)
    found: Counter[tuple[str, str]] = Counter()
    wrong: list[str] = []
    told = time.monotonic()
    for done, (kind, number, came) in enumerate(results(wanted, asked.seed, asked.model), 1):
        found[kind, came if came in FINE else "wrong"] += 1
        if came not in FINE:
            wrong.append(f'--seed {asked.seed} --only "{kind}" {number}: {came[:400]}')
            print(wrong[-1], file=sys.stderr, flush=True)
        if time.monotonic() - told > 20:
            told = time.monotonic()
            print(f"{done:,} of {len(wanted):,} inputs", file=sys.stderr, flush=True)
    print(table(found))
    if asked.json:
        document = {"machine": machine(), "seed": asked.seed, "wrong": wrong}
        document["counts"] = {f"{kind}, {came}": count for (kind, came), count in found.items()}
        asked.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    if wrong:
        raise SystemExit(f"Not as promised: {len(wrong)} inputs")


if __name__ == "__main__":
    main()
