"""A model's files may be damaged or hostile: whatever stands in them, one clear error and little memory."""

from __future__ import annotations

import json
import math
import random
import resource
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from euinet.data.split.holdout import split_dataset
from euinet.errors import EuiNetError, StorageError, TrainingError
from euinet.export.save import save_model
from euinet.fitting import calibrated_model
from euinet.model.model import Model
from euinet.model.names import CONFIG_FILE, DECISION_FILE, WEIGHTS_FILE
from euinet.model.opening import load
from euinet.networks.euinet import EuiNet
from euinet.presets import Preset
from euinet.records import Dataset
from euinet.trained.model import TrainedModel, load_trained, save_network

MOST_BYTES = 2**30
MUTATIONS = 240


@pytest.fixture(scope="module")
def good(
    tmp_path_factory: pytest.TempPathFactory, dataset: Dataset, make_preset: Callable[..., Preset]
) -> Path:
    torch.manual_seed(0)
    preset = make_preset(
        {
            **{"scoring.known_rejected": 0.2, "model.disc_input": "evidence", "model.embedding": 8},
            **{"model.memory_per_class": 4, "model.memory_neighbours": 2},
        }
    )
    split = split_dataset(dataset, [0], preset.data, 0)
    network = EuiNet(preset.model, (1, 8, 8), 3)
    with torch.no_grad():
        network.train()(torch.randn(8, 1, 8, 8))
    folder = tmp_path_factory.mktemp("good")
    save_model(calibrated_model(network.eval(), split, preset, 0, 0.3), folder)
    return folder


def copy(good: Path, to: Path) -> Path:
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        (to / name).write_bytes((good / name).read_bytes())
    return to


def load_or_refuse(folder: Path) -> TrainedModel | None:
    """Return the model, or None where one sentence says why not; anything else fails the test."""
    try:
        return load_trained(folder)
    except EuiNetError as error:
        said = str(error)
    assert "\n" not in said
    assert len(said) < 600 + len(str(folder))
    return None


def leaves(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(found for key, value in inner for found in leaves(value, (*path, key)))]


def put(node: Any, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value


HOSTILE: list[Any] = [
    *(None, True, -1, 0, 1, 3, 10**6, 10**9, 2**63, 10**40, 1.5, 1e308, -1e308),
    *("", "a", "../../../etc/passwd", "/dev/zero", "\x1b[2J", "x" * 10**6, "__import__('os')"),
    *([], [0] * 1000, ["a", "a"], {}, {"a": {}}, [[[[]]]], float("nan"), float("inf")),
]


def test_hostile_configs_are_one_error_and_cost_nothing(good: Path, tmp_path: Path) -> None:
    config = json.loads((good / CONFIG_FILE).read_text())
    places = [path for path in leaves(config) if path and path[0] != "metrics"]
    chosen = random.Random(1)
    folder = copy(good, tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    accepted = []
    for _ in range(MUTATIONS):
        changed = json.loads((good / CONFIG_FILE).read_text())
        place, value = chosen.choice(places), chosen.choice(HOSTILE)
        put(changed, place, value)
        (folder / CONFIG_FILE).write_text(json.dumps(changed))
        if load_or_refuse(folder) is not None:
            accepted.append((place, value))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * (
        1 if sys.platform == "darwin" else 1024
    )
    assert grown < MOST_BYTES
    # what a value may be is not refused: another seed, learning rate or name, never another shape
    assert len(accepted) < MUTATIONS / 3, accepted


def test_hostile_weights_are_one_error_and_cost_nothing(good: Path, tmp_path: Path) -> None:
    content = (good / WEIGHTS_FILE).read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    chosen = random.Random(2)
    folder = copy(good, tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = 0
    for index in range(MUTATIONS):
        changed = bytearray(content)
        if index % 3 == 0:  # cut short
            del changed[chosen.randrange(len(changed)) :]
        elif index % 3 == 1:  # the header
            for _ in range(chosen.randint(1, 4)):
                changed[chosen.randrange(8 + length)] = chosen.randrange(256)
        else:  # a number of the header, with its length kept
            digits = [at for at in range(8, 8 + length) if 48 <= changed[at] <= 57]
            changed[chosen.choice(digits)] = 57
        (folder / WEIGHTS_FILE).write_bytes(bytes(changed))
        refused += load_or_refuse(folder) is None
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MOST_BYTES
    assert refused > 0.9 * MUTATIONS


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    config = json.loads((folder / CONFIG_FILE).read_text())
    change(config)
    (folder / CONFIG_FILE).write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c["preset"]["model"].update(trunk_widths=[4096] * 8), "missing or too many|has the shape"),
        (lambda c: c["preset"]["model"].update(trunk_widths=[10**9]), "each 1 … 4096"),
        (lambda c: c["preset"]["model"].update(blocks_per_stage=10**9), "blocks_per_stage"),
        (lambda c: c["preset"]["model"].update(memory_per_class=10**8), "memory_per_class"),
        (lambda c: c.update(image_size=10**6), "image_size"),
        (lambda c: c.update(class_names=["a", "\x1b[2Jb", "c"]), "not printable"),
        (lambda c: c.update(class_names=["a", "a", "b"]), "same name"),
        (lambda c: c["logit_range"].update(gain=[0, 1, 1]), "above 0"),
        (lambda c: c["preprocessing"].update(resize="nearest"), "preprocessing that this version does not"),
        (lambda c: c.update(calibration=None), "Extra inputs are not permitted"),
        (lambda c: c.update(format_version=True), "no whole number"),
    ],
)
def test_each_lie_is_named(
    good: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], says: str
) -> None:
    folder = copy(good, tmp_path)
    edit(folder, change)
    with pytest.raises(StorageError, match=says):
        load_trained(folder)


def test_nan_in_a_config_is_no_number(good: Path, tmp_path: Path) -> None:
    folder = copy(good, tmp_path)
    text = (folder / CONFIG_FILE).read_text()
    (folder / CONFIG_FILE).write_text(text.replace('"distance_gain": ', '"distance_gain": NaN, "x": ', 1))
    with pytest.raises(StorageError, match="NaN is no number"):
        load_trained(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["classifier.weight", "memory.whiten"])
def test_a_tensor_that_is_not_a_number_is_refused(
    good: Path, tmp_path: Path, name: str, value: float
) -> None:
    from safetensors.torch import load_file, save_file

    folder = copy(good, tmp_path)
    tensors = load_file(folder / WEIGHTS_FILE)
    tensors[name].view(-1)[0] = value
    save_file(tensors, folder / WEIGHTS_FILE)
    with pytest.raises(StorageError, match="not a number"):
        load_trained(folder)


def test_a_negative_variance_is_refused(good: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = copy(good, tmp_path)
    tensors = load_file(folder / WEIGHTS_FILE)
    name = next(name for name in tensors if name.endswith("running_var"))
    tensors[name][0] = -1e-3
    save_file(tensors, folder / WEIGHTS_FILE)
    with pytest.raises(StorageError, match=r"a variance of .* is negative"):
        load_trained(folder)
    with pytest.raises(StorageError, match=r"a variance of .* is negative"):
        Model((good / DECISION_FILE).read_bytes(), "good", folder=folder).save_pretrained(tmp_path / "to")
    assert not (tmp_path / "to" / WEIGHTS_FILE).exists()


@pytest.mark.parametrize(("name", "value"), [("classifier.bias", math.nan), ("running_var", -1.0)])
def test_a_model_whose_weights_are_no_numbers_is_never_written(
    good: Path, tmp_path: Path, name: str, value: float
) -> None:
    model = load_trained(good)
    tensors = model.network.state_dict()
    next(tensor for key, tensor in tensors.items() if key.endswith(name)).view(-1)[0] = value
    for write in (save_network, save_model):
        with pytest.raises(TrainingError, match="The model is not written, for a"):
            write(model, tmp_path / "to")
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("value", [math.nan, math.inf, 3e38])
def test_a_network_that_says_no_number_has_no_answer(good: Path, value: float) -> None:
    """By torch as by the decision file: an error of each row, and nothing that is counted."""
    model = replace(load_trained(good), calibration=load(good).calibration)
    with torch.no_grad():
        model.network.get_parameter("classifier.weight").fill_(value)
    images = np.full((3, 1, 8, 8), 255, np.uint8)
    answers = model.answer(images)
    assert not answers.answered.any()
    assert not answers.rejected.any()
    assert all("no answer for this image" in row["error"] for row in answers.rows)
    for use in (model.decide, lambda x: model.calibrate(x, None)):
        with pytest.raises(StorageError, match="has no answer for "):
            use(images)


def test_a_header_that_claims_a_terabyte_is_not_believed(good: Path, tmp_path: Path) -> None:
    folder = copy(good, tmp_path)
    (folder / WEIGHTS_FILE).write_bytes(struct.pack("<Q", 2**40) + b"{}")
    with pytest.raises(StorageError, match="no safetensors file"):
        load_trained(folder)


def test_nothing_in_a_model_is_executed(good: Path, tmp_path: Path) -> None:
    """A pickle in the weights' place is not unpickled."""
    import pickle

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "executed",))

    folder = copy(good, tmp_path)
    (folder / WEIGHTS_FILE).write_bytes(pickle.dumps(Bomb()))
    assert load_or_refuse(folder) is None
    assert not (tmp_path / "executed").exists()
