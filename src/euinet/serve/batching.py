"""Work of many clients done together: one thread takes what waits, as a batch, and hands the results back."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Job(NamedTuple):
    item: object
    size: int
    future: asyncio.Future[object]


class Batcher(Generic[Item, Result]):
    """Calls `work` in a thread of its own with a list of items, of up to `most` in size; a result each.

    The first item of a batch waits up to `wait` seconds for others, but only until it is as large as the
    batch before it, or as `coming()` says that it will be: one client alone never waits. An item larger than
    `most` is a batch of its own.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[list[Item]], Sequence[Result]],
        *,
        most: int,
        wait: float = 0.0,
        coming: Callable[[], int] = lambda: 0,
        observe: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._work, self._most, self._wait = work, most, wait
        self._coming, self._observe = coming, observe
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._before = 0  # size of the last batch
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._started = False

    @property
    def waiting(self) -> int:
        """How many items wait."""
        return len(self._jobs)

    async def __call__(self, item: Item, size: int = 1) -> Result:
        """Return the result for `item`; raises what `work` raised for its batch."""
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        with self._changed:
            if self._closed:
                raise RuntimeError("the batcher is closed")
            if not self._started:
                self._started = True
                self._thread.start()
            self._jobs.append(_Job(item, size, future))
            self._changed.notify()
        return await future  # type: ignore[return-value]

    def close(self) -> None:
        """Finish what waits, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._started:
            self._thread.join()

    def _run(self) -> None:
        while jobs := self._gather():
            live = [job for job in jobs if not job.future.cancelled()]
            if not live:
                continue
            self._observe(sum(job.size for job in live))
            results: Sequence[object]
            try:
                results = self._work([job.item for job in live])  # type: ignore[misc]
            except Exception as error:  # it belongs to those who wait, not to this thread
                results = [error] * len(live)
            with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                live[0].future.get_loop().call_soon_threadsafe(_deliver, live, results)

    def _gather(self) -> list[_Job]:
        """Return the next batch; empty when all is done and the batcher closed."""
        with self._changed:
            while not self._jobs:
                if self._closed:
                    return []
                self._changed.wait()
            end = time.monotonic() + self._wait
            batch, size = [self._jobs.popleft()], 0
            size = batch[0].size
            while size < self._most:
                if self._jobs:
                    if size + self._jobs[0].size > self._most:
                        break
                    job = self._jobs.popleft()
                    batch.append(job)
                    size += job.size
                    continue
                left = end - time.monotonic()
                if left <= 0 or self._closed or max(self._coming(), self._before) <= size:
                    break
                self._changed.wait(left)
            self._before = size
            return batch


def _deliver(jobs: Sequence[_Job], results: Sequence[object]) -> None:
    for job, result in zip(jobs, results, strict=True):
        if job.future.done():  # given up meanwhile
            continue
        if isinstance(result, Exception):
            job.future.set_exception(result)
        else:
            job.future.set_result(result)
