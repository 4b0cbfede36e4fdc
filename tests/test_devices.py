from __future__ import annotations

import pytest
import torch

from euinet.devices import computes_in_bf16, make_fabric
from euinet.errors import UsageError


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
