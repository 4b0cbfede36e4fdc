"""Which device and which precision a run uses, and the sentences for those it cannot have."""

import inspect
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Literal, get_args

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch.nn.parallel import DistributedDataParallel

from euinet.errors import UsageError
from euinet.system.allocator import keep_freed_memory
from euinet.system.processes import Place, place

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "bf16-mixed", "32-true"]
LONGEST_WAIT = timedelta(hours=1)  # of processes for one another, such as for the one that fetches data


def make_fabric(
    device: DeviceName = "auto", precision: Precision = "auto", *, spread: bool = False
) -> Fabric:
    """Return a one-device Fabric on `device`; "auto" takes a GPU where there is one.

    Precision "auto" is bfloat16 autocast where the processor computes in it and float32 elsewhere;
    scoring is always float32. What the process frees, it keeps (allocator.py). With `spread`, under torchrun,
    it is this process's part of a Fabric over all processes, one device each, and the group is joined. Raises
    UsageError for a device this machine lacks, and without `spread` where torchrun started several processes:
    all would do the same.
    """
    keep_freed_memory()
    here = place()
    if here.count > 1 and not spread:
        raise UsageError(
            f"torchrun started {here.count} processes, but only train and reproduce share their work: "
            "run this command without torchrun."
        )
    if device not in get_args(DeviceName):
        raise UsageError(f"There is no device '{device}'; choose one of {', '.join(get_args(DeviceName))}.")
    if device == "auto":
        device = (
            "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        )
    elif device == "cuda" and not torch.cuda.is_available():
        raise UsageError("This machine has no CUDA GPU that torch can use; choose --device auto or cpu.")
    elif device == "mps" and not torch.backends.mps.is_available():
        raise UsageError("This machine has no Apple GPU that torch can use; choose --device auto or cpu.")
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces the precision on stderr
    if precision == "auto":
        precision = "bf16-mixed" if computes_in_bf16(device) else "32-true"
    if here.count == 1:
        return Fabric(accelerator=device, devices=1, precision=precision)
    return _spread_fabric(device, precision, here)


def _spread_fabric(device: str, precision: Literal["bf16-mixed", "32-true"], here: Place) -> Fabric:
    if device == "mps":
        raise UsageError("Several processes cannot share an Apple GPU; choose --device cpu.")
    gpus = torch.cuda.device_count()
    if device == "cuda" and here.local_count > gpus:
        raise UsageError(
            f"torchrun started {here.local_count} processes on a machine with {gpus} GPUs; start one for "
            f"each (--nproc-per-node {gpus}), or choose --device cpu."
        )
    if here.count % here.local_count:
        raise UsageError(
            f"{here.count} processes in all, {here.local_count} of them on this machine: start the same "
            "number on every machine (--nproc-per-node)."
        )
    # The strides that differ are those of sides of length 1, as a 1×1 convolution has.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    # All processes compute the same buffers, so none need be sent. torch 2.15 renamed the option.
    options = inspect.signature(DistributedDataParallel.__init__).parameters
    buffers = "forward_sync_buffers" if "forward_sync_buffers" in options else "broadcast_buffers"
    left_alone: dict[str, Any] = {buffers: False}
    strategy = DDPStrategy(
        process_group_backend="nccl" if device == "cuda" else "gloo", timeout=LONGEST_WAIT, **left_alone
    )
    nodes = here.count // here.local_count
    fabric = Fabric(
        accelerator=device, devices=here.local_count, num_nodes=nodes, strategy=strategy, precision=precision
    )
    fabric.launch()
    return fabric


def computes_in_bf16(device: str) -> bool:
    """Return whether bfloat16 arithmetic is native on `device`, and so faster than float32."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        able = torch.cpu.get_capabilities()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return False


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread: networks of embeddings are too small to gain from more.

    Beside any other work, threads that wait for each other take twenty times as long (docs/embeddings.md).
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
