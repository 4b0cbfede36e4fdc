"""What is told before a training starts: how long it takes and why, who is trained on, what is ignored."""

from __future__ import annotations

import shlex

import numpy as np
import pytest

from euinet.data.split.holdout import split_dataset
from euinet.errors import UsageError
from euinet.experiment import Experiment
from euinet.presets import changed_settings, get_preset
from euinet.records import Dataset, LabelledImages, Split
from euinet.report.console import console_table
from euinet.training.plan import epochs_and_steps, plan, without_effect


def parted(a_class: int, preset: str = "default", **settings: str) -> tuple[Split, list[str]]:
    """Eight classes of so many images, parted as a preset says, and what is told of them."""
    chosen = get_preset(preset, {name.replace("__", "."): value for name, value in settings.items()})
    labels = np.arange(8 * a_class) % 8
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 1, 8, 8), np.uint8)
    known = LabelledImages(images, labels.astype(np.int64))
    names = tuple("abcdefgh")
    split = split_dataset(Dataset("x", names, known, known.where(labels[:0])), [], chosen.data, 0)
    return split, plan(split, chosen)


def test_that_a_training_takes_more_epochs_than_were_set_is_said_with_its_reason() -> None:
    split, told = parted(40, training__epochs="1")
    assert len(split.train) == 208  # one step of 128 an epoch
    assert told[1].startswith("Training takes 600 steps, 600 epochs of 1 with 128 images each, though ")
    assert "training.epochs is 1: training.min_steps asks for 600" in told[1]
    assert epochs_and_steps(get_preset("default"), 208) == (600, 1, 128)
    assert epochs_and_steps(get_preset("default"), 60_000) == (7, 468, 128)
    assert not any("steps" in one for one in parted(40, training__epochs="1", training__min_steps="1")[1])
    assert not any("steps" in one for one in parted(40, training__epochs="600")[1])


def test_it_is_said_why_so_few_images_are_trained_on() -> None:
    split, told = parted(40)
    parts = len(split.train), len(split.validation), len(split.calibration)
    assert parts == (208, 48, 64)
    assert told[0].startswith(
        "Of 320 images of known classes, the test's not counted, 208 are trained on: 48 "
    )
    assert "64 the promise" in told[0]
    assert "data.fewest_calibration" in told[0]
    assert (
        parted(40, training__min_steps="1", data__fewest_validation="1", data__fewest_calibration="1")[1]
        == []
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"model.backbone": "resnet18", "model.trunk_widths": "[8]"},
            "trunk_widths has no effect: model.backb",
        ),
        ({"model.backbone": "resnet18", "model.blocks_per_stage": "2"}, "blocks_per_stage has no effect"),
        (
            {"model.disc_input": "pixels", "model.disc_hidden": "9"},
            "disc_hidden has no effect: model.disc_inp",
        ),
        ({"training.backbone_rate": "0.5"}, "backbone_rate has no effect: no training.backbone_weights"),
        ({"training.poses": "0", "training.pose_weight": "2"}, "pose_weight has no effect: training.poses"),
        (
            {"scoring.logit_range": "fixed", "scoring.known_lead": "1"},
            "known_lead has no effect: scoring.logit",
        ),
        ({"scoring.pixel_range": "255"}, "pixel_range has no effect: scoring.epsilon is 0"),
        (
            {"scoring.disc_scale": "0", "scoring.disc_link": "probability"},
            "disc_link has no effect: scoring.di",
        ),
    ],
)
def test_a_setting_that_nothing_reads_is_named(settings: dict[str, str], words: str) -> None:
    (told,) = without_effect(get_preset("default", settings))
    assert words in told
    assert without_effect(get_preset("default", dict(list(settings.items())[:-1]))) == []


def test_what_a_preset_changes_gives_the_same_preset_again() -> None:
    settings = {"scoring.epsilon": "0.5", "model.trunk_widths": "[8, 16]", "gan.generator": "dense"}
    preset = get_preset("report", {**settings, "scoring.alpha": "null", "training.epochs": "5"})
    assert changed_settings(preset) == settings  # the others are the preset's own
    assert get_preset("report", changed_settings(preset)) == preset
    with pytest.raises(UsageError):
        get_preset("report", {"model.nothing": "1"})


def test_the_command_that_repeats_a_training_is_known() -> None:
    preset = get_preset("default", {"training.epochs": "3", "scoring.alpha": "0.05"})
    asked = Experiment("my photos", ("cat", "dog"), preset, 7, 64, ("letters",))
    assert shlex.split(asked.command) == [
        *("euinet", "train", "--data", "my photos", "--hold-out", "cat,dog", "--image-size", "64"),
        *("--ood", "letters", "--preset", "default"),
        *("--set", "training.epochs=3", "--set", "scoring.alpha=0.05", "--seed", "7"),
    ]
    report = Experiment("mnist", ("0",), get_preset("report", {"training.half_weights": "true"}), 2)
    assert report.command == "euinet reproduce --set training.half_weights=true --seed 2"
    assert "\x1b" not in Experiment("a\x1b[2J", (), preset, 0).command


def test_a_row_of_no_images_is_not_shown_as_if_nothing_had_been_caught() -> None:
    metrics = {"data": "x", "held_out": [], "n_id": 90, "n_ood": 0, "ood_accuracy": None, "near": {}}
    metrics |= {"verdict": {"sentence": "Fine.", "shortcomings": []}}
    shown = console_table(metrics | {"id_accuracy": 0.9, "closed_set_accuracy": 0.95})
    assert "unknown" not in shown
    assert "known, labelled right (90 images)" in shown
