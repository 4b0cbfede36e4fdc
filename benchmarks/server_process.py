"""`euinet serve` as a process of its own, for the benchmarks: started, watched, stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

TICK = os.sysconf("SC_CLK_TCK")
MEGABYTE = 1_000_000


class ServerProcess:
    """A running server, its decoder processes counted with it."""

    def __init__(self, model: str, *options: str) -> None:
        command = [sys.executable, "-m", "euinet", "serve", model, "--port", "0", "--json", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        text = b""
        while not text.endswith(b"}\n"):
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit(self.process.stderr.read().decode())
            text += line
        self.address: str = json.loads(text)["address"]
        self.port = int(self.address.rpartition(":")[2])
        self.log: list[str] = []
        threading.Thread(target=self._read_log, daemon=True).start()

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def alive(self) -> bool:
        """Whether the server still runs."""
        return self.process.poll() is None

    def pids(self) -> list[int]:
        """Return the server and the processes that it started."""
        main = self.process.pid
        of_threads = Path(f"/proc/{main}/task").glob("*/children")  # each names those of one thread
        return [main, *(int(child) for file in of_threads for child in file.read_text().split())]

    def memory(self) -> float:
        """Return the megabytes that the server itself has in memory, without its decoders."""
        return _resident(self.process.pid)

    def memory_of_all(self) -> float:
        """Return the megabytes of the server and its decoders; shared libraries count for each."""
        return sum(map(_resident, self.pids()))

    def cpu_seconds(self) -> float:
        """Return the processor time of the server and its decoders so far."""
        total = 0
        for pid in self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICK

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line.decode("utf-8", "replace").rstrip())


class MemoryWatch:
    """Samples a server's memory every half second, until it is stopped."""

    def __init__(self, server: ServerProcess) -> None:
        self._server, self._done = server, threading.Event()
        self.samples: list[tuple[float, float, float]] = []  # seconds, server's MB, MB with its decoders
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def peak(self) -> float:
        """Return the most megabytes of the server alone."""
        return max(memory for _, memory, _ in self.samples)

    def peak_of_all(self) -> float:
        """Return the most megabytes of the server and its decoders."""
        return max(memory for _, _, memory in self.samples)

    def _watch(self) -> None:
        started = time.monotonic()
        while True:
            try:
                now = time.monotonic() - started
                self.samples.append((now, self._server.memory(), self._server.memory_of_all()))
            except OSError:  # a process has just ended
                pass
            if self._done.wait(0.5):
                return


def machine() -> str:
    """Return what figures of this machine should be read with: its cores, and how busy they were."""
    load = os.getloadavg()
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = names[0].partition(":")[2].strip() if names else "unknown processor"
    return f"{name}, {os.cpu_count()} cores, load {load[0]:.1f} (1 minute), {load[1]:.1f} (5 minutes)"


def _resident(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024 / MEGABYTE
    return 0.0
