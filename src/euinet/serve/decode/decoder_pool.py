"""A few decoder processes; one that takes too long or dies is replaced, and only its own image is lost.

Plain processes, not those of multiprocessing: these would run the main program's file once more.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import NamedTuple

from euinet.images.preprocessing import Preprocessing
from euinet.serve.decode.decoder_process import Decoded, Task, receive

MODULE = "euinet.serve.decode.decoder_process"


class _Job(NamedTuple):
    task: Task
    future: asyncio.Future[Decoded]


class DecoderPool:
    """Runs tasks in processes, each with `seconds` of time; the processes are started when first needed."""

    def __init__(
        self, preprocessing: Preprocessing, most_pixels: int, seconds: float, processes: int = 2
    ) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._workers = [_Worker(preprocessing, most_pixels, seconds) for _ in range(processes)]
        self._threads = [
            threading.Thread(target=self._serve, args=(worker,), name="euinet-decoder", daemon=True)
            for worker in self._workers
        ]
        self._started = self._closed = False

    def start(self) -> None:
        """Start the processes now."""
        if not self._started:
            self._started = True
            for thread in self._threads:
                thread.start()

    async def run(self, task: Task) -> Decoded:
        """Return what a process reads."""
        if self._closed:
            raise RuntimeError("the decoders are closed")
        self.start()
        future: asyncio.Future[Decoded] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(task, future))
        return await future

    def close(self) -> None:
        """Finish what waits and end the processes."""
        if self._closed:
            return
        self._closed = True
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            if self._started:
                thread.join()

    def _serve(self, worker: _Worker) -> None:
        worker.start()
        while (job := self._jobs.get()) is not None:
            if job.future.cancelled():
                continue
            decoded = worker.run(job.task)
            with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                job.future.get_loop().call_soon_threadsafe(_deliver, job.future, decoded)
        worker.stop()


class _Worker:
    """One process and the line to it."""

    def __init__(self, preprocessing: Preprocessing, most_pixels: int, seconds: float) -> None:
        self._preprocessing, self._most_pixels, self._seconds = preprocessing, most_pixels, seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._line: Connection | None = None

    def start(self) -> None:
        """Start the process: a new Python that knows nothing of this one, and no Ctrl-C of its terminal."""
        self._line, theirs = multiprocessing.Pipe()
        plain = (json.dumps(asdict(self._preprocessing)), self._most_pixels)
        self._process = subprocess.Popen(
            [sys.executable, "-m", MODULE, *map(str, (theirs.fileno(), *plain))],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()

    def run(self, task: Task) -> Decoded:
        """Return what the process reads; when it cannot, a sentence, and another process next time."""
        try:
            if self._line is None:
                self.start()
            assert self._line is not None
            self._line.send_bytes(json.dumps([task.kind, task.name, task.most_images]).encode())
            self._line.send_bytes(task.content)
            if self._line.poll(self._seconds):
                return receive(self._line, self._preprocessing, max(1, task.most_images))
            what = f"takes longer than {self._seconds:g} s to decode"
        except (EOFError, OSError, ValueError):
            what = "brings its decoder down"
        self.stop()
        name = task.name or "The array"
        return Decoded(None, error=f"{name} {what}: send a simpler or smaller one.", status=422)

    def stop(self) -> None:
        """End the process at once."""
        if self._line is not None:
            self._line.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._line = self._process = None


def _deliver(future: asyncio.Future[Decoded], decoded: Decoded) -> None:
    if not future.done():
        future.set_result(decoded)
