"""Which process of how many this is, as torchrun says, and one voice for all of them. Imports no torch."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from euinet.errors import EuiNetError
from euinet.system.interrupts import INTERRUPTED, TERMINATED, Terminated

ANSWER_SECONDS = 5  # that torchrun's store has to answer in


@dataclass(frozen=True)
class Place:
    """A process among those that torchrun started, over all machines and on this one."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1


def place() -> Place:
    """Return this process's place by torchrun's variables; without torchrun it is alone."""
    # some clusters set WORLD_SIZE for whatever they start, so that alone says nothing
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return Place()
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    return Place(*(int(os.environ[name]) for name in names))


@contextmanager
def one_voice() -> Iterator[None]:
    """Let only the first process that meets an error tell it; the others end with an exit code alone.

    An error may be that of all processes (a wrong setting) or of one, and then the others fail too, since
    it has left them. With one process nothing changes.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if place().count == 1 or _first_to_tell():
            raise
        if isinstance(error, KeyboardInterrupt):
            code = TERMINATED if isinstance(error, Terminated) else INTERRUPTED
        else:
            code = error.exit_code if isinstance(error, EuiNetError) else 1
        raise SystemExit(code) from None


def _first_to_tell() -> bool:
    """Return whether no other process has asked this before, by a counter in torchrun's store."""
    from datetime import timedelta

    from torch.distributed import DistError, TCPStore  # type: ignore[attr-defined]

    environment = os.environ
    attempt = environment.get("TORCHELASTIC_RESTART_COUNT", "0")
    try:
        store = TCPStore(
            environment["MASTER_ADDR"],
            int(environment["MASTER_PORT"]),
            is_master=False,
            timeout=timedelta(seconds=ANSWER_SECONDS),
        )
        return bool(store.add(f"euinet/{environment['TORCHELASTIC_RUN_ID']}/{attempt}/told", 1) == 1)
    except (DistError, RuntimeError, OSError):
        return True  # nobody to ask: twice is better than never
