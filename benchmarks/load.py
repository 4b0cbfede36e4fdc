"""How many requests the server answers, how fast, and what becomes of its memory; by wrk, a real load tool.

    python benchmarks/load.py [--seconds 60] [--connections 1 8 64 512] [--requests 200000] [--json load.json]

Each request posts one 28 × 28 PNG of a digit. First each number of connections for so many seconds; then a
server with a small queue, to see that what it cannot take gets 503 and nothing else; then as many requests as
are missing from `--requests`, with 64 connections, while the server's memory is watched. wrk runs on the same
machine and takes its share of the cores. Exits with 1 when a request below the limit had an error, when one
above it had another than 503, or when the memory grew.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from server_process import MemoryWatch, ServerProcess, machine

GROWTH = 5.0  # megabytes per 100,000 requests that count as flat
WATCHED = 64  # connections while the memory is watched
SCRIPT = """
local file = io.open("BODY", "rb")
wrk.method, wrk.body = "POST", file:read("*a")
file:close()
wrk.headers["Content-Type"] = "multipart/form-data; boundary=edge"
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init(args) good, busy, other = 0, 0, 0 end
function response(status, headers, body)
  if status == 200 then good = good + 1 elseif status == 503 and headers["retry-after"] then busy = busy + 1
  else other = other + 1 end
end
function done(summary, latency, requests)
  local sum = {good = 0, busy = 0, other = 0}
  for _, thread in ipairs(threads) do
    for name in pairs(sum) do sum[name] = sum[name] + thread:get(name) end
  end
  local e = summary.errors
  io.write(string.format(
    'JSON {"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "max_ms": %f, "ok": %d, "busy": %d, ' ..
    '"other_status": %d, "broken_connections": %d, "timeouts": %d}\\n', summary.requests,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3,
    sum.good, sum.busy, sum.other, e.connect + e.read + e.write, e.timeout))
end
"""


def digit_form() -> bytes:
    """Return a form with one PNG of a digit, 28 × 28."""
    from euinet.data.sets.datasets import load_dataset

    stream = io.BytesIO()
    Image.fromarray(load_dataset("digits").test.images[5][0]).save(stream, "png")
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="digit.png"\r\n'
    return head + b"Content-Type: image/png\r\n\r\n" + stream.getvalue() + b"\r\n--edge--\r\n"


class Load:
    """Runs wrk against a server."""

    def __init__(self, work: Path) -> None:
        wrk = shutil.which("wrk")
        if wrk is None:
            raise SystemExit("The load tool wrk is not installed: on Debian, apt install wrk.")
        self.wrk, self.script = wrk, work / "post.lua"
        (work / "body").write_bytes(digit_form())
        self.script.write_text(SCRIPT.replace("BODY", str(work / "body")), encoding="utf-8")

    def run(self, server: ServerProcess, connections: int, seconds: float) -> dict[str, Any]:
        """Return what wrk counted, and the server's processor time a request."""
        before = server.cpu_seconds()
        command = [self.wrk, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s"]
        command += ["-s", str(self.script), f"{server.address}/v1/predict"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = [line for line in ended.stdout.splitlines() if line.startswith("JSON ")]
        if not lines:
            raise SystemExit(f"wrk failed: {ended.stderr or ended.stdout}")
        found: dict[str, Any] = json.loads(lines[-1].removeprefix("JSON "))
        found |= {"connections": connections, "per_second": found["requests"] / found["seconds"]}
        found["errors"] = found["other_status"] + found["broken_connections"] + found["timeouts"]
        found["cpu_us"] = (server.cpu_seconds() - before) / max(1, found["requests"]) * 1e6
        return found


def table(rows: list[dict[str, Any]]) -> str:
    """Return the runs as a Markdown table."""
    lines = [
        "| connections | requests/s | p50 | p99 | longest | 200 | 503 | other errors | CPU a request |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        times = " | ".join(f"{row[key]:.1f} ms" for key in ("p50_ms", "p99_ms", "max_ms"))
        counts = f"{row['ok']:,} | {row['busy']:,} | {row['errors']:,} | {row['cpu_us']:.0f} µs"
        lines.append(f"| {row['connections']} | {row['per_second']:.0f} | {times} | {counts} |")
    return "\n".join(lines)


def watched(load: Load, server: ServerProcess, requests: int) -> dict[str, Any]:
    """Send so many requests, in stretches, and return the server's memory over them."""
    points: list[tuple[int, float]] = []
    sent = errors = 0
    load.run(server, WATCHED, 5)  # until every path was taken once, memory is still being found
    with MemoryWatch(server) as watch:
        while sent < requests:
            ran = load.run(server, WATCHED, 10)
            sent, errors = sent + ran["requests"], errors + ran["errors"] + ran["busy"]
            points.append((sent, server.memory()))
            print(f"{sent:,} of {requests:,} requests, {points[-1][1]:.0f} MB", file=sys.stderr, flush=True)
    slope = 0.0
    if len(points) > 1:
        slope = statistics.linear_regression(*zip(*points, strict=True)).slope * 100_000
    return {
        "requests": sent,
        "errors": errors,
        "points": points,
        "peak_mb": watch.peak(),
        "growth_mb_per_100k": slope,
    }


def main() -> None:
    """Start servers, load them, tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="mnist-without-0")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 64, 512])
    parser.add_argument("--small-queue", type=int, default=16, help="--max-queue of the second server")
    parser.add_argument(
        "--requests", type=int, default=200_000, help="in all, of the first server; 0: none more"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    asked = parser.parse_args()
    found: dict[str, Any] = {"machine": machine(), "model": asked.model, "seconds": asked.seconds}
    with tempfile.TemporaryDirectory() as folder:
        load = Load(Path(folder))
        with ServerProcess(asked.model, "--device", "cpu") as server:
            load.run(server, 8, 2)
            print(found["machine"])
            found["below"] = [load.run(server, count, asked.seconds) for count in asked.connections]
            print(table(found["below"]), flush=True)
            missing = asked.requests - sum(row["requests"] for row in found["below"])
            if missing > 0:
                found["memory"] = watched(load, server, missing)
        with ServerProcess(asked.model, "--device", "cpu", "--max-queue", str(asked.small_queue)) as server:
            load.run(server, 8, 2)
            found["above"] = load.run(server, 64, min(asked.seconds, 20))
    print(f"\nWith --max-queue {asked.small_queue}:\n{table([found['above']])}")
    tell_memory(found.get("memory"))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    judge(found)


def tell_memory(memory: dict[str, Any] | None) -> None:
    """Print the memory over the requests."""
    if memory is None:
        return
    first, last = memory["points"][0][1], memory["points"][-1][1]
    print(
        f"\nMemory over {memory['requests']:,} requests: {first:.0f} MB at first, {last:.0f} MB at last, "
        f"{memory['peak_mb']:.0f} MB at most; {memory['growth_mb_per_100k']:+.1f} MB per 100,000 requests."
    )


def judge(found: dict[str, Any]) -> None:
    """Raise SystemExit when something is not as promised."""
    wrong = [
        f"{row['connections']} connections: errors" for row in found["below"] if row["errors"] + row["busy"]
    ]
    if found["above"]["errors"] or not found["above"]["busy"]:
        wrong.append("above the limit: other errors than 503, or none")
    memory = found.get("memory")
    if memory and (memory["errors"] or memory["growth_mb_per_100k"] > GROWTH):
        wrong.append("the memory grew, or a request failed")
    if wrong:
        raise SystemExit("Not as promised: " + "; ".join(wrong))


if __name__ == "__main__":
    main()
