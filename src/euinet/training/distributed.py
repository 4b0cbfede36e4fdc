"""Training over several processes: each passes its share of every batch through the trunk, and they agree.

All processes draw the same random numbers and prepare the same batch, so that there is one random state to
keep and a run may change its number of processes between two sittings. DDP averages gradients over processes:
a share's mean is weighted by `weigh`; what every process computes whole enters as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed
from lightning_fabric import Fabric
from torch import Tensor

from euinet.errors import TrainingError, UsageError
from euinet.presets import Preset
from euinet.system.differing import differing
from euinet.system.processes import place
from euinet.training.devices import DeviceName, Precision, make_fabric
from euinet.training.log import TrainingLog
from euinet.training.records import Batch

Made = TypeVar("Made")
CONNECTION = (
    "gloo",
    "Gloo",
    "NCCL",
    "Connection closed",
    "Connection reset",
)  # in torch's words for one lost
ASK_EVERY = 10  # steps on GPUs, where an answer waits for the queue to run dry


@contextmanager
def spread_fabric(device: DeviceName, precision: Precision) -> Iterator[Fabric]:
    """Give a Fabric over all of torchrun's processes, or of one device without it; leave them at the end.

    After an error nothing is left: processes that wait for this one learn of it when it ends.
    """
    fabric = make_fabric(device, precision, spread=True)
    try:
        yield fabric
    except KeyboardInterrupt:
        _leave()
        raise
    except RuntimeError as error:
        if place().count > 1 and any(word in str(error) for word in CONNECTION):
            raise TrainingError(
                f"The processes of this training lost one another ({' '.join(str(error).split())[:200]}): "
                "see above which ended first. The same command goes on from the last checkpoint."
            ) from error
        raise
    _leave()


def leave_others(fabric: Fabric) -> None:
    """End all processes but the first, which goes on alone. Raises SystemExit(0) in the others."""
    if fabric.world_size == 1:
        return
    fabric.barrier()
    _leave()
    if not fabric.is_global_zero:
        sys.exit(0)


def _leave() -> None:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


# --- shares of a batch ------------------------------------------------------------------------------


def share(fabric: Fabric, rows: Tensor) -> Tensor:
    """Return this process's rows; shares differ by one at most, and each row is in one of them."""
    return rows.tensor_split(fabric.world_size)[fabric.global_rank]


def share_of_batch(fabric: Fabric, batch: Batch) -> Batch:
    """Return this process's share of every part of a batch."""
    return Batch(*(None if part is None else share(fabric, part) for part in batch))  # type: ignore[arg-type]


def weigh(fabric: Fabric, mean: Tensor, own: Tensor, whole: Tensor) -> Tensor:
    """Return the mean over `own` of the `whole` rows, weighted so that processes average to the whole's mean.

    With n of N rows here and P processes that is P·n/N · mean.
    """
    return mean * (fabric.world_size * len(own) / len(whole))


def check_shares(preset: Preset, batch_size: int, processes: int) -> None:
    """Raise UsageError unless every process gets a share of every part of a batch."""
    sizes = {"training.batch_size (or all images there are)": batch_size}
    if preset.training.poses:
        sizes["training.poses"] = min(preset.training.poses, batch_size)
    if preset.disc.only_fakes:
        sizes["gan.batch_size"] = min(preset.gan.batch_size, batch_size)
    name, least = min(sizes.items(), key=lambda item: item[1])
    if least < processes:
        raise UsageError(
            f"{processes} processes cannot share a batch of {least}, which is {name}: start at most {least} "
            "processes, or make it larger."
        )


# --- what processes tell each other -----------------------------------------------------------------


def averages(fabric: Fabric, values: Iterable[Tensor]) -> list[Tensor]:
    """Return each scalar's mean over all processes, detached."""
    mine = torch.stack([value.detach() for value in values])
    found: Any = fabric.all_reduce(mine, reduce_op="mean") if fabric.world_size > 1 else mine
    return list(found.unbind())


def total(fabric: Fabric, count: int) -> int:
    """Return the sum of all processes' counts."""
    if fabric.world_size == 1:
        return count
    found: Any = fabric.all_reduce(torch.tensor(count, device=fabric.device), reduce_op="sum")
    return int(found)


def agreed(fabric: Fabric, step: int, *wishes: bool) -> list[bool]:
    """Return for each wish whether any process has it: in all processes the same, so that all act alike."""
    if fabric.world_size == 1:
        return list(wishes)
    if fabric.device.type != "cpu" and step % ASK_EVERY:
        return [False] * len(wishes)
    mine = torch.tensor(wishes, dtype=torch.float32, device=fabric.device)
    found: Any = fabric.all_reduce(mine, reduce_op="sum")
    return [count > 0 for count in found.tolist()]


def from_first(fabric: Fabric, make: Callable[[], Made]) -> Made:
    """Return in every process what `make` returns in the first, the only one that calls it."""
    made = make() if fabric.is_global_zero else None
    given: Made = fabric.broadcast(made) if fabric.world_size > 1 else made  # type: ignore[assignment]
    return given


def check_same(fabric: Fabric, identity: dict[str, Any]) -> None:
    """Raise UsageError in a process whose run is not the first one's: its machine may have other data."""
    first = from_first(fabric, lambda: identity)
    if different := differing(first, identity):
        raise UsageError(
            f"Process {fabric.global_rank} of this training has another {', '.join(different)} than process "
            "0: give all processes the same command, data and version of euinet."
        )


class UnheardLog(TrainingLog):
    """The log of a process that is not the first: nothing is written and nothing shown."""

    def __enter__(self) -> UnheardLog:
        self.quiet = True
        return self

    def start_with(self, rows: Any) -> None:
        """Write nothing."""

    def row(self, row: Any) -> None:
        """Write nothing."""

    def notify(self, text: str) -> None:
        """Say nothing."""
