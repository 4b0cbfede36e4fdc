"""A command's processes and its folder: started, found again whoever is their parent, killed, watched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from kill_kinds import Kind

MARK = "EUINET_KILLS"  # an environment variable by which processes are found, whoever is their parent
SECONDS_TO_END = 120.0  # for worker processes whose parent is dead


class Sitting:
    """One start of a command, found again by a mark in its processes' environment."""

    def __init__(self, kind: Kind, data: Path, folder: Path) -> None:
        self.mark = f"{os.getpid()}-{time.monotonic_ns()}"
        arguments = [part.replace("DATA", str(data)) for part in kind.arguments]
        self.log = folder.with_suffix(".log")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "euinet", *arguments],
                cwd=folder,
                env=os.environ | {MARK: self.mark, "OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, *, workers: bool) -> None:
        """Kill the process group; with `workers` also what has left it."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        while workers and (alive := self.alive()):
            for number in alive:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)

    def alive(self) -> list[int]:
        """Return the processes of this sitting that run, whoever is their parent."""
        wanted = f"{MARK}={self.mark}".encode()
        return [
            int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if wanted in _read(path)
        ]

    def gone(self) -> bool:
        """Wait for processes whose parent is dead; kill them and return False when they do not end."""
        end = time.monotonic() + SECONDS_TO_END
        while self.alive():
            if time.monotonic() > end:
                self.kill(workers=True)
                return False
            time.sleep(0.05)
        return True


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended, or is somebody else's
        return b""


class Watch:
    """Counts what happens to the files of a folder: appeared, changed or gone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen = self._look()
        self.events = 0

    def look(self) -> int:
        """Return how many events there were since the beginning."""
        now = self._look()
        self.events += len(now.items() ^ self.seen.items())
        self.seen = now
        return self.events

    def _look(self) -> dict[str, int]:
        found = {}
        for path in self.folder.rglob("*"):
            with suppress(OSError):
                if path.is_file() and path.name != ".lock":
                    found[str(path)] = path.stat().st_mtime_ns
        return found
