"""Does the server stand what hostile clients send? It may refuse; it may not fail, hang, die or swell.

    python benchmarks/abuse.py [--inputs 12000] [--seed 0] [--examples 300] [--json abuse.json]

First schemathesis makes requests from the OpenAPI document and checks each answer against it. Then so many
requests drawn from the seed are sent over plain sockets: mutated image files of all formats, PNG headers that
declare any size, forms and arrays with faults, and bytes that are hardly HTTP (abuse_inputs.py). Status codes
are counted. Exits with 1 when an answer was 5xx other than an honest 503, when a sound HTTP request got no
answer, when the server died or does not answer afterwards, or when its memory grew by more than 200 MB.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from abuse_inputs import Inputs
from server_process import MemoryWatch, ServerProcess, machine

SWOLLEN = 200.0  # megabytes
CLIENTS = 8
SECONDS = 60.0  # for an answer
MAY_GET_NONE = ("HTTP",)  # what is no HTTP may be left without an answer
# A document cannot say that rows must be of one length or bytes an image: sound data may be refused. 413 and
# 408 are refusals as good as any.
SETTINGS = """
[checks]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 503]
"""
SHARES = {"image files": 6, "image headers": 1, "forms": 1, "arrays": 1, "HTTP": 1}


def drawn(inputs: Inputs, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield so many requests with their kinds."""
    kinds = [kind for kind, share in SHARES.items() for _ in range(share)]
    for kind in islice(cycle(kinds), count):
        yield kind, inputs.kinds[kind]()


def send(port: int, kind: str, content: bytes) -> str:
    """Return the status of the answer to some bytes: "200" …, "none" (closed without one), or "late"."""
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as line:
            try:
                line.sendall(content)
                if kind in MAY_GET_NONE:  # it may lack its end: nothing more will come
                    line.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # refused before all was sent: the answer may be there
            while piece := line.recv(65_536):
                answer += piece
    except TimeoutError:
        return "late"
    except OSError:
        pass
    while answer.startswith(b"HTTP/1.1 100"):
        answer = answer.partition(b"\r\n\r\n")[2]
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 "):
        return "none"
    status = head[9:12].decode()
    if status == "503" and b"retry-after" not in head.lower():
        return "503 without Retry-After"
    return f"{status} without a sentence" if int(status) >= 400 and not has_sentence(head, body) else status


def has_sentence(head: bytes, body: bytes) -> bool:
    """Return whether an answer is an error as all are to be; one to HEAD or CONNECT may have no body."""
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    text = body[:length]  # after it there may be an answer to what followed the request
    return not text or isinstance(json.loads(text).get("error"), str)


def fuzz(server: ServerProcess, count: int, seed: int) -> dict[str, Counter[str]]:
    """Send requests drawn from `seed`; return their statuses by kind."""
    found: dict[str, Counter[str]] = {kind: Counter() for kind in SHARES}
    requests = drawn(Inputs(seed), count)
    with ThreadPoolExecutor(CLIENTS) as pool:
        done = 0
        while some := list(islice(requests, 500)):
            statuses = pool.map(lambda one: send(server.port, *one), some)
            for (kind, content), status in zip(some, statuses, strict=True):
                found[kind][status] += 1
                if is_wrong(kind, status):
                    keep(kind, status, content)
            done += len(some)
            print(f"{done:,} of {count:,} inputs", file=sys.stderr, flush=True)
    return found


def is_wrong(kind: str, status: str) -> bool:
    """Return whether a status is none that a client of this kind may get."""
    if status == "none":
        return kind not in MAY_GET_NONE
    return status == "late" or " " in status or (status.startswith("5") and status != "503")


def keep(kind: str, status: str, content: bytes) -> None:
    """Keep an input that went wrong, so that it can be looked at."""
    with tempfile.NamedTemporaryFile(prefix="abuse-", suffix=".bin", delete=False) as file:
        file.write(content)
    print(f"{kind}: {status}; the input is in {file.name}", file=sys.stderr)


def by_description(server: ServerProcess, examples: int, seed: int) -> tuple[int, str]:
    """Let schemathesis test the API against its own description; return its exit code and what it said."""
    command = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run"]
    command += [f"{server.address}/openapi.json", "--max-examples", str(examples), "--checks", "all"]
    command += ["--exclude-checks", "positive_data_acceptance"]  # see SETTINGS
    command += ["--seed", str(seed), "--no-color", "--request-timeout", "60", "--continue-on-failure"]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "schemathesis.toml").write_text(SETTINGS, encoding="utf-8")
        ended = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    said = ended.stdout + ended.stderr
    if ended.returncode:
        keep("schemathesis", str(ended.returncode), said.encode())
    return ended.returncode, said[said.rfind("= SUMMARY") :].partition("\n")[2]


def counted(server: ServerProcess) -> Counter[str]:
    """Return how many requests the server has answered, by status, as it says itself."""
    found: Counter[str] = Counter()
    for line in urlopen(f"{server.address}/metrics").read().decode().splitlines():
        if line.startswith("euinet_requests_total{"):
            found[line.partition('status="')[2].partition('"')[0]] += int(float(line.split()[-1]))
    return found


def table(found: dict[str, Counter[str]]) -> str:
    """Return statuses by kind as a Markdown table."""
    statuses = sorted({status for counts in found.values() for status in counts})
    lines = [f"| sent | inputs | {' | '.join(statuses)} |", "| --- |" + " ---: |" * (len(statuses) + 1)]
    for kind, counts in found.items():
        cells = " | ".join(f"{counts[status]:,}" for status in statuses)
        lines.append(f"| {kind} | {counts.total():,} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    """Start a server, abuse it, tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="mnist-without-0")
    parser.add_argument("--inputs", type=int, default=12_000)
    parser.add_argument("--examples", type=int, default=300, help="of schemathesis, a path; 0: leave it out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the counts to this file")
    asked = parser.parse_args()
    found: dict[str, Counter[str]] = {}
    wrong: list[str] = []
    print(machine())
    with (
        tempfile.TemporaryDirectory() as inbox,
        ServerProcess(asked.model, "--device", "cpu", "--inbox", inbox) as server,
        MemoryWatch(server) as watch,
    ):
        if asked.examples:
            code, said = by_description(server, asked.examples, asked.seed)
            found["from the description"] = counted(server)
            print(said)
            if code:
                wrong.append("an answer is not as the OpenAPI document says")
        before = server.memory()
        found |= fuzz(server, asked.inputs, asked.seed)
        alive = server.alive() and json.load(urlopen(f"{server.address}/healthz")) == {"status": "ready"}
        after = server.memory()
        failures = [line for line in server.log if "Traceback" in line or "A request to" in line]
    print(table(found))
    print(f"Server: {before:.0f} MB before the inputs, {after:.0f} MB after, {watch.peak():.0f} MB at most; "
          f"with its decoders {watch.peak_of_all():.0f} MB at most.")  # fmt: skip
    wrong += [
        f"{kind}: {status}" for kind, counts in found.items() for status in counts if is_wrong(kind, status)
    ]
    wrong += [] if alive else ["the server does not answer any more"]
    wrong += ["its memory swelled"] if after - before > SWOLLEN else []
    wrong += [f"its log: {line}" for line in failures]
    if asked.json:
        document: dict[str, Any] = {
            "machine": machine(),
            "seed": asked.seed,
            "statuses": found,
            "wrong": wrong,
        }
        document |= {"before_mb": before, "after_mb": after, "peak_mb": watch.peak()}
        asked.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    if wrong:
        raise SystemExit("Not as promised: " + "; ".join(wrong))


if __name__ == "__main__":
    main()
