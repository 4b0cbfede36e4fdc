"""Weights from files of other trainers: where they lie in a file, what their names begin with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from euinet.errors import StorageError, UsageError
from euinet.networks.weights import Asked, fit_weights, read_weights

ASKED = Asked("a small network", "--backbone", "--weights")
State = dict[str, Tensor]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 5))


@pytest.fixture
def state() -> State:
    torch.manual_seed(1)
    return {
        key: torch.rand_like(value.float()).to(value.dtype) for key, value in network().state_dict().items()
    }


def loaded(content: Any, path: Path) -> nn.Module:
    torch.save(content, path)
    fresh = network()
    fit_weights(fresh, read_weights(path, ASKED), path, ASKED, heads=("head", "fc"))
    return fresh


def under(prefix: str, state: State) -> State:
    return {prefix + key: value for key, value in state.items()}


NESTED: dict[str, Callable[[State], Any]] = {
    "alone": lambda state: state,
    "state_dict": lambda state: {"state_dict": state, "epoch": 90, "best": torch.ones(2)},
    "model": lambda state: {"model": state, "optimizer": {"state": {}, "param_groups": []}},
    "model_state_dict": lambda state: {"model_state_dict": state},
    "average first": lambda state: {
        "model": {key: torch.zeros_like(value) for key, value in state.items()},
        "model_ema": {"n_averaged": torch.tensor(3), **under("module.", state)},
    },
    "twice": lambda state: {"model": {"state_dict": state}},
    "module.": lambda state: under("module.", state),
    "several": lambda state: {"state_dict": under("module._orig_mod.model.backbone.", state)},
    "beside others": lambda state: {
        **under("module.encoder_q.", state),
        "module.queue": torch.zeros(7),
        "module.projector.weight": torch.zeros(2, 2),
    },
    "with a head": lambda state: {**under("model.", state), "model.head.weight": torch.full((2,), torch.nan)},
}


@pytest.mark.parametrize("kind", NESTED)
def test_weights_are_found_wherever_trainers_put_them(kind: str, state: State, tmp_path: Path) -> None:
    found = loaded(NESTED[kind](state), tmp_path / "weights.pth").state_dict()
    for key, value in state.items():
        assert torch.equal(found[key], value), key


REFUSED: dict[str, tuple[Callable[[State], Any], type[Exception], str]] = {
    "lacks": (
        lambda state: under("module.", {key: v for key, v in state.items() if not key.startswith("1.")}),
        UsageError,
        r"does not hold a small network: it lacks 1\.weight and 3 more; set --backbone to the network",
    ),
    "more under the prefix": (
        lambda state: under("model.", state | {"4.weight": torch.zeros(1)}),
        UsageError,
        r"it also holds 4\.weight;",
    ),
    "a shape": (
        lambda state: {"model": state | {"3.bias": torch.zeros(6)}},
        UsageError,
        r"another shape for 3\.bias;",
    ),
    "not finite": (
        lambda state: under("backbone.", state | {"3.bias": torch.full((5,), torch.inf)}),
        StorageError,
        r"damaged, backbone\.3\.bias is not finite",
    ),
    "nothing": (lambda _: {}, UsageError, "something else than a state dict: save that of a small network"),
    "numbers": (
        lambda state: {"model": {**state, "epoch": 3}},
        UsageError,
        "something else than a state dict",
    ),
    "another network": (lambda _: {"stem.weight": torch.ones(1)}, UsageError, r"lacks 0\.weight and 7 more"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_does_not_fit_is_named_and_changes_nothing(kind: str, state: State, tmp_path: Path) -> None:
    make, error, sentence = REFUSED[kind]
    path, fresh = tmp_path / "weights.pth", network()
    torch.save(make(state), path)
    with pytest.raises(error, match=sentence):
        fit_weights(fresh, read_weights(path, ASKED), path, ASKED, heads=("head",))
    for key, value in network().state_dict().items():
        assert torch.equal(fresh.state_dict()[key], value), key


def test_a_missing_file_is_told_by_the_option_that_named_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no file .* --weights must name a \.pth or \.safetensors file"):
        read_weights(tmp_path / "gone.pth", ASKED)
