"""From rejected images to a model that knows their class, by the commands that the guide names."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inbox_cases import answer, make_inbox
from PIL import Image

import euinet
from euinet import __main__ as program
from euinet.inbox.pictures import Pixels
from tiny import TINY

SIDE, IMAGES = 16, 30
CLASSES = ("north-west", "north-east", "south-west", "south-east")
SETTINGS = TINY | {
    **{"data.validation_fraction": "0.1", "training.epochs": "12", "model.trunk_widths": "[8, 16]"},
    **{"training.batch_size": "16", "scoring.known_rejected": "0.2"},
}


def quadrant(which: int, seed: int) -> Pixels:
    pixels = np.random.default_rng([which, seed]).integers(0, 60, (1, SIDE, SIDE), np.uint8)
    row, column = divmod(which, 2)
    half = SIDE // 2
    pixels[:, half * row : half * (row + 1), half * column : half * (column + 1)] += 150
    return pixels


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    def call(*arguments: object) -> Any:
        monkeypatch.setattr(sys, "argv", ["euinet", *map(str, arguments), "--json"])
        with pytest.raises(SystemExit) as ended:
            program.run()
        printed = capsys.readouterr()
        assert ended.value.code in (0, None), printed.err
        return json.loads(printed.out)

    return call


def test_what_was_rejected_is_learned(run: Callable[..., Any], tmp_path: Path) -> None:
    data = tmp_path / "data"
    for which in (1, 2, 3):  # the model's training images; nobody ever drew a north-west
        (data / CLASSES[which]).mkdir(parents=True)
        for seed in range(IMAGES):
            Image.fromarray(quadrant(which, seed)[0]).save(data / CLASSES[which] / f"{seed}.png")

    inbox = make_inbox(tmp_path / "inbox", shape=(1, SIDE, SIDE))
    for seed in range(IMAGES):
        assert inbox.offer(quadrant(0, 1000 + seed), answer(), f"{seed}.png")
    inbox.flush()
    (group,) = inbox.groups()
    assert inbox.label(inbox.keys_of_group(group.id), CLASSES[0]).images == IMAGES
    inbox.close()

    exported = run("inbox", "export", tmp_path / "inbox", "--out", data)
    assert exported["classes"] == {CLASSES[0]: IMAGES}
    settings = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
    out = tmp_path / "out"
    command = ("train", "--data", data, "--image-size", SIDE, "--preset", "report", "--out", out)
    metrics = run(*command, "--device", "cpu", "--precision", "32-true", *settings)
    assert metrics["held_out"] == []
    assert metrics["closed_set_accuracy"] > 0.9

    model = euinet.load(out / "model")
    assert set(model.class_names) == set(CLASSES)
    answers = model.predict(np.stack([quadrant(0, 5000 + seed) for seed in range(20)]))
    taken_for = [model.class_names[best] for best in answers.best_classes]
    assert taken_for.count(CLASSES[0]) >= 18
