"""Which device and which precision a run uses, and the sentences for those it cannot have."""

from __future__ import annotations

import logging
from typing import Literal, get_args

import torch
from lightning_fabric import Fabric

from euinet.errors import UsageError

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "bf16-mixed", "32-true"]


def make_fabric(device: DeviceName = "auto", precision: Precision = "auto") -> Fabric:
    """Return a one-device Fabric on `device`; "auto" takes a GPU where there is one.

    Precision "auto" is bfloat16 autocast where the processor computes in it and float32 elsewhere;
    scoring is always float32. Raises UsageError for a device this machine lacks.
    """
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
    return Fabric(accelerator=device, devices=1, precision=precision)


def computes_in_bf16(device: str) -> bool:
    """Return whether bfloat16 arithmetic is native on `device`, and so faster than float32."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        able = torch.cpu.get_capabilities()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return False
