from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from euinet.errors import UsageError
from euinet.system.processes import Place, place
from euinet.training.devices import computes_in_bf16, make_fabric


def test_a_device_that_is_not_there_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UsageError, match=r"no CUDA GPU .* choose --device auto or cpu"):
        make_fabric("cuda")
    with pytest.raises(UsageError, match=r"no Apple GPU .* choose --device auto or cpu"):
        make_fabric("mps")
    with pytest.raises(UsageError, match="no device 'gpu'; choose one of auto, cpu, cuda, mps"):
        make_fabric("gpu")
    assert make_fabric("auto", "32-true").device == torch.device("cpu")


@pytest.mark.parametrize(
    ("able", "expected"),
    [({}, False), ({"avx2": True}, False), ({"avx512_bf16": True}, True), ({"amx_bf16": True}, True)],
)
def test_auto_precision_is_bf16_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch, able: dict[str, bool], expected: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    assert computes_in_bf16("cpu") is expected
    precision = make_fabric("cpu").strategy.precision.precision
    assert precision == ("bf16-mixed" if expected else "32-true")
    assert make_fabric("cpu", "32-true").strategy.precision.precision == "32-true"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set what torchrun sets: started(processes, on this machine)."""

    def start(count: int, local_count: int) -> None:
        values = {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": local_count}
        for name, value in (values | {"TORCHELASTIC_RUN_ID": "a"}).items():
            monkeypatch.setenv(name, str(value))

    return start


def test_several_processes_are_for_training_alone(started: Callable[..., None]) -> None:
    started(2, 2)
    with pytest.raises(UsageError, match=r"started 2 processes, .* run this command without torchrun"):
        make_fabric("cpu")


def test_processes_that_cannot_be_placed_are_a_usage_error(
    started: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    started(5, 3)
    with pytest.raises(UsageError, match="5 processes in all, 3 of them on this machine"):
        make_fabric("cpu", spread=True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    started(3, 3)
    with pytest.raises(UsageError, match=r"3 processes on a machine with 2 GPUs; .*--nproc-per-node 2"):
        make_fabric("cuda", "32-true", spread=True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with pytest.raises(UsageError, match=r"cannot share an Apple GPU; choose --device cpu"):
        make_fabric("mps", "32-true", spread=True)


def test_one_process_of_torchrun_is_as_none(started: Callable[..., None]) -> None:
    started(1, 1)
    for spread in (True, False):
        assert make_fabric("cpu", "32-true", spread=spread).world_size == 1


def test_a_cluster_s_world_size_alone_means_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert place() == Place()
    assert make_fabric("cpu", "32-true").world_size == 1
