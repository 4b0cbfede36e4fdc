"""A record's file: what is written is read again; damaged or hostile, it is one clear error."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from record_cases import small_record

from euinet.data.split.holdout import split_dataset
from euinet.errors import StorageError
from euinet.export.save import save_model
from euinet.fitting import calibrated_model
from euinet.judging.record import TestRecord
from euinet.judging.record_store import (
    RECORD_FILE,
    copy_record,
    load_record,
    record_path,
    save_record,
)
from euinet.model.opening import load
from euinet.networks.euinet import EuiNet
from euinet.presets import Preset
from euinet.records import Dataset
from euinet.system.notify import Notify, silent


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, dataset: Dataset, make_preset: Callable[..., Preset]
) -> Path:
    """A model's folder with a record."""
    preset = make_preset({"scoring.known_rejected": 0.2})
    torch.manual_seed(0)
    split = split_dataset(dataset, [0], preset.data, 0)
    folder = tmp_path_factory.mktemp("made")
    save_model(calibrated_model(EuiNet(preset.model, (1, 8, 8), 3).eval(), split, preset, 0, 0.3), folder)
    save_record(of_this_model(folder), record_path(folder))
    return folder


def network(folder: Path) -> str:
    return load(folder).description.network


def of_this_model(folder: Path) -> TestRecord:
    small = small_record()
    return TestRecord(
        *(small.data, small.class_names, small.groups, small.ood_score, small.best_class, small.true_class),
        network(folder),
    )


def read_record(folder: Path, notify: Notify = silent) -> TestRecord | None:
    return load_record(record_path(folder), network(folder), notify)


def copied(made: Path, to: Path) -> Path:
    to.mkdir(exist_ok=True)
    for path in made.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    return to


def test_what_is_written_is_read(made: Path) -> None:
    found, wanted = read_record(made), of_this_model(made)
    assert found is not None
    for name in ("ood_score", "best_class", "true_class"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
    assert (found.data, found.class_names, found.groups) == (wanted.data, wanted.class_names, wanted.groups)
    assert found.best_class.dtype == np.int64
    assert found.of_group("held-out 0") == slice(6, 9)
    with pytest.raises(KeyError):
        found.of_group("nowhere")


def test_a_model_without_a_record_has_none(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path / "model")
    (folder / RECORD_FILE).unlink()
    assert read_record(folder) is None


def test_the_record_stays_true_when_calibrated_anew_and_not_when_trained_anew(
    made: Path, tmp_path: Path
) -> None:
    folder = copied(made, tmp_path / "model")
    model = load(folder)
    model.with_alpha(0.4).save_pretrained(folder)
    assert read_record(folder) is not None
    other = tmp_path / "other"
    model.with_alpha(0.4).save_pretrained(other)
    assert copy_record(record_path(folder), record_path(other), network(other))
    assert read_record(other) is not None
    trained = model.torch()
    with torch.no_grad():
        next(trained.network.parameters()).add_(0.01)
    save_model(trained, folder)
    said: list[str] = []
    assert read_record(folder, said.append) is None
    assert len(said) == 1
    assert "of another model and is not used" in said[0]
    assert not copy_record(record_path(made), record_path(folder), network(folder))


def rewritten(folder: Path, change: Callable[[dict[str, Any], dict[str, Any]], object]) -> None:
    """Change the JSON text and the arrays of a record."""
    from safetensors.numpy import load_file, save

    path = folder / RECORD_FILE
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    about = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["about"])
    arrays: dict[str, Any] = load_file(path)
    change(about, arrays)
    path.write_bytes(save(arrays, {"about": json.dumps(about)}))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda about, a: a["ood_score"].__setitem__(0, np.nan), "not a number"),
        (lambda about, a: a["best_class"].__setitem__(0, 2), "classes that it lacks"),
        (lambda about, a: a["best_class"].__setitem__(0, -1), "classes that it lacks"),
        (lambda about, a: a["true_class"].__setitem__(0, -2), "classes that it lacks"),
        (lambda about, a: a["true_class"].__setitem__(0, -1), "contradict"),
        (lambda about, a: a.update(ood_score=a["ood_score"][:5]), "has the shape"),
        (lambda about, a: a.update(ood_score=a["ood_score"].astype(np.float64)), "has the type"),
        (lambda about, a: a.update(more=a["ood_score"]), "missing or too many"),
        (lambda about, a: about["groups"][0].update(images=2**62), "more images than there were"),
        (lambda about, a: about["groups"][0].update(images=-1), "greater than or equal to 0"),
        (lambda about, a: about["groups"][1].update(kind="known"), "first group"),
        (lambda about, a: about["groups"][1].update(name="far"), "same name"),
        (lambda about, a: about["groups"][1].update(name="\x1b[2J"), "not printable"),
        (lambda about, a: about.update(class_names=["a", "a"]), "same name"),
        (lambda about, a: about.update(class_names=["a", "\x1b[2J"]), "not printable"),
        (lambda about, a: about.update(format=2), "format 2"),
        (lambda about, a: about.update(more=1), "Extra inputs"),
    ],
)
def test_each_lie_is_named(
    made: Path, tmp_path: Path, change: Callable[[dict[str, Any], dict[str, Any]], object], says: str
) -> None:
    folder = copied(made, tmp_path / "model")
    rewritten(folder, change)
    with pytest.raises(StorageError, match=says):
        read_record(folder)


def test_damaged_records_are_one_error(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path / "model")
    content = (made / RECORD_FILE).read_bytes()
    chosen = random.Random(1)
    said: list[str] = []
    for turn in range(200):
        changed = bytearray(content)
        if turn % 2:
            del changed[chosen.randrange(len(changed)) :]
        else:
            for _ in range(3):
                changed[chosen.randrange(len(changed))] = chosen.randrange(256)
        (folder / RECORD_FILE).write_bytes(bytes(changed))
        try:
            read_record(folder)
        except StorageError as error:
            said.append(str(error))
    assert len(said) > 150
    assert all("\n" not in sentence and "--record" in sentence for sentence in said)
    (folder / RECORD_FILE).write_bytes(struct.pack("<Q", 2**40) + b"{}")
    with pytest.raises(StorageError, match="no safetensors file"):
        read_record(folder)


def test_many_classes_need_wider_numbers(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path / "model")
    small = of_this_model(folder)
    names = tuple(str(k) for k in range(200))
    best = small.best_class + 150
    wide = TestRecord(
        *("many", names, small.groups, small.ood_score, best, np.where(small.known, 199, -1), small.model)
    )
    save_record(wide, record_path(folder))
    found = read_record(folder)
    assert found is not None
    assert found.best_class.max() == 151
    assert found.true_class.max() == 199
