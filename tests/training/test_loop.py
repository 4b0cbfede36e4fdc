from __future__ import annotations

import dataclasses
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from euinet.errors import StorageError, TrainingError, UsageError
from euinet.presets import Preset
from euinet.records import LabelledImages, Split
from euinet.system.interrupts import Terminated
from euinet.training import loop
from euinet.training import run as training_run
from euinet.training.checkpoint import FILE_NAME, read_checkpoint
from euinet.training.log import METRICS_FILE
from euinet.training.loop import train
from euinet.training.run import Trained, TrainingRun

MakePreset = Callable[..., Preset]
# 18 images, 8 a step: 2 steps an epoch
EVERYTHING = {
    "training.epochs": 3,
    "training.schedule": "one_cycle",
    "training.rate_factor": 10,
    "training.average_decay": 0.5,
    "data.augmentation": 1,
    "data.stitched": 0.5,
    "gan.generator": "convolutional",
    "gan.feature_matching_weight": 1,
}
PLAIN = {"training.epochs": 3}


def every_weight(trained: Trained) -> dict[str, Tensor]:
    networks = (trained.model, trained.generator, trained.gan_discriminator)
    return {
        f"{i} {name}": part
        for i, network in enumerate(networks)
        for name, part in network.state_dict().items()
    }


def same_bits(one: Trained, two: Trained) -> bool:
    first, second = every_weight(one), every_weight(two)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture
def fit(split: Split, fabric: Fabric, tmp_path: Path) -> Callable[..., Trained]:
    def run(preset: Preset, folder: str = "run", seed: int = 0, **options: bool) -> Trained:
        return train(split, preset, seed, tmp_path / folder, fabric, **({"quiet": True} | options))

    return run


@pytest.fixture
def at_step(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Tensor]]:
    """Do something after the given train_step; returns the positions that each step was given."""

    def plan(number: int, action: Callable[[TrainingRun], None]) -> list[Tensor]:
        chosen: list[Tensor] = []
        original = loop.train_step

        def step(run: TrainingRun, positions: Tensor) -> dict[str, Tensor]:
            losses = original(run, positions)
            chosen.append(positions)
            if len(chosen) == number:
                action(run)
            return losses

        monkeypatch.setattr(loop, "train_step", step)
        return chosen

    return plan


# --- the seed ------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [PLAIN, EVERYTHING], ids=["plain", "everything"])
def test_the_seed_decides_every_bit(
    fit: Callable[..., Trained], make_preset: MakePreset, changes: dict[str, Any]
) -> None:
    preset = make_preset(changes)
    first = fit(preset, "first")
    torch.rand(3)  # whatever else draws numbers must not matter
    again, other = fit(preset, "again"), fit(preset, "other", seed=1)
    assert same_bits(first, again)
    assert first.history == again.history
    assert not same_bits(first, other)


def test_an_epoch_shows_each_image_at_most_once_in_an_order_of_its_own(
    fit: Callable[..., Trained], make_preset: MakePreset, at_step: Callable[..., list[Tensor]]
) -> None:
    chosen = at_step(0, lambda run: None)
    fit(make_preset({"training.epochs": 2}))
    assert [len(positions) for positions in chosen] == [8, 8, 8, 8]
    epochs = [torch.cat(chosen[:2]), torch.cat(chosen[2:])]
    assert all(len(epoch.unique()) == 16 for epoch in epochs)
    assert not torch.equal(*epochs)


@pytest.mark.parametrize(
    ("changes", "epochs", "steps"),
    [
        ({"training.epochs": 2}, 2, 4),
        ({"training.epochs": 1, "training.min_steps": 5}, 3, 6),
        ({"training.epochs": 1, "training.min_steps": 4}, 2, 4),
        ({"training.epochs": 3, "training.min_steps": 4}, 3, 6),
        ({"training.epochs": 2, "training.batch_size": 500}, 2, 2),  # more than there are images
    ],
)
def test_small_data_gets_as_many_epochs_as_min_steps_need(
    fit: Callable[..., Trained], make_preset: MakePreset, changes: dict[str, Any], epochs: int, steps: int
) -> None:
    last = fit(make_preset(changes)).history[-1]
    assert (last["epoch"], last["step"]) == (epochs, steps)


def test_the_networks_come_back_in_eval_mode(fit: Callable[..., Trained], make_preset: MakePreset) -> None:
    trained = fit(make_preset())
    for network in (trained.model, trained.generator, trained.gan_discriminator):
        assert not any(module.training for module in network.modules())


# the second update keeps min(decay, (1 + 1) / (10 + 1)) of the first
@pytest.mark.parametrize(("decay", "kept"), [(0.1, 0.1), (0.5, 2 / 11)])
def test_the_running_average_by_hand(
    fit: Callable[..., Trained],
    make_preset: MakePreset,
    at_step: Callable[..., list[Tensor]],
    decay: float,
    kept: float,
) -> None:
    seen: list[Tensor] = []

    def look(run: TrainingRun) -> None:
        seen.append(run.players.plain_model().classifier.weight.detach().clone())

    at_step(1, look)
    at_step(2, look)
    changes = {"training.average_decay": decay, "training.optimizer.learning_rate": 0.1}
    model = fit(make_preset({"training.epochs": 1} | changes)).model
    assert isinstance(model.classifier, nn.Linear)
    assert (seen[0] - seen[1]).abs().min() > 0.001
    torch.testing.assert_close(model.classifier.weight.detach(), kept * seen[0] + (1 - kept) * seen[1])


def test_one_cycle_rises_to_its_peak_and_falls_to_nothing(
    split: Split, fabric: Fabric, make_preset: MakePreset, tmp_path: Path
) -> None:
    # 10 epochs of 2 steps: the peak is at 15 % of 20 = step 3
    preset = make_preset({"training.epochs": 10, "training.schedule": "one_cycle", "training.rate_factor": 5})
    run = TrainingRun(split, preset, 0, tmp_path, fabric)
    rates = []
    for _ in range(21):
        rates.append(run.schedule.get_last_lr()[0] / 2e-4)
        run.players.model_optimizer.step()
        run.schedule.step()
    assert rates[0] == pytest.approx(5 * 0.04)
    assert rates[1] == pytest.approx(5 * (0.04 + 0.96 / 3))
    assert rates[3] == max(rates) == pytest.approx(5)
    assert rates[20] == pytest.approx(0)
    assert rates[3:] == sorted(rates[3:], reverse=True)


def test_each_step_moves_the_rate_on(
    fit: Callable[..., Trained], make_preset: MakePreset, at_step: Callable[..., list[Tensor]]
) -> None:
    rates: list[float] = []
    for number in range(1, 5):
        at_step(number, lambda run: rates.append(run.players.model_optimizer.param_groups[0]["lr"] / 2e-4))
    fit(make_preset({"training.schedule": "one_cycle", "training.rate_factor": 10}))
    # 4 steps: after the first the peak, then down to 0 along a cosine
    assert rates == pytest.approx([10, 7.5, 2.5, 0])


# --- interruption --------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [PLAIN, EVERYTHING], ids=["plain", "everything"])
@pytest.mark.parametrize("stopped_after", [1, 2, 3, 6])
def test_ctrl_c_and_resume_give_the_same_bits(
    fit: Callable[..., Trained],
    make_preset: MakePreset,
    at_step: Callable[..., list[Tensor]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    changes: dict[str, Any],
    stopped_after: int,
) -> None:
    preset = make_preset(changes)
    whole = fit(preset, "whole")
    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_step", loop.train_step)
        at_step(stopped_after, lambda run: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            fit(preset, "parted")
    assert signal.getsignal(signal.SIGINT) is handler
    monkeypatch.undo()
    resumed = fit(preset, "parted")
    assert same_bits(whole, resumed)

    assert resumed.history == whole.history
    assert rows_text(tmp_path / "parted") == rows_text(tmp_path / "whole")


def test_a_second_ctrl_c_stops_at_once(
    fit: Callable[..., Trained], make_preset: MakePreset, at_step: Callable[..., list[Tensor]], tmp_path: Path
) -> None:
    def press_twice(run: TrainingRun) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("still running")

    at_step(1, press_twice)
    # a shell that starts tests in the background has them ignore it
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            fit(make_preset())
    finally:
        signal.signal(signal.SIGINT, before)
    assert not (tmp_path / "run" / FILE_NAME).exists()


def test_a_killed_run_resumes_from_its_last_epoch_and_forgets_later_rows(
    fit: Callable[..., Trained],
    make_preset: MakePreset,
    at_step: Callable[..., list[Tensor]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    preset = make_preset(EVERYTHING)
    whole = fit(preset, "whole")

    def die(run: TrainingRun) -> None:
        raise MemoryError

    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    at_step(4, die)
    with pytest.raises(MemoryError):
        fit(preset, "killed")
    assert [json.loads(line)["step"] for line in rows_text(tmp_path / "killed")] == [1, 2, 3]
    with (tmp_path / "killed" / METRICS_FILE).open("a") as log:
        log.write('{"step": 4, "ep')  # cut off
    monkeypatch.undo()
    resumed = fit(preset, "killed")
    assert same_bits(whole, resumed)
    assert [row["step"] for row in resumed.history] == [1, 2, 4, 6]
    assert list(resumed.history[2:]) == list(whole.history[1:])


def rows_text(folder: Path) -> list[str]:
    return (folder / METRICS_FILE).read_text().splitlines()


def test_a_finished_run_resumed_is_the_finished_run(
    fit: Callable[..., Trained], make_preset: MakePreset, tmp_path: Path
) -> None:
    first = fit(make_preset())
    again = fit(make_preset(), resume=True)
    assert same_bits(first, again)
    assert first.history == again.history
    before = read_checkpoint(tmp_path / "run" / FILE_NAME)["seconds"]
    assert 0 < before < again.seconds < before + 1  # over all sittings, and this one trained nothing


@pytest.mark.parametrize(
    ("named", "changes", "seed"),
    [
        (r"seed \(there 0, here 1\)", {}, 1),
        (r"preset.training.temperature \(there 1.0, here 2.0\)", {"training.temperature": 2}, 0),
    ],
)
def test_another_run_s_checkpoint_is_refused_and_stays(
    fit: Callable[..., Trained],
    make_preset: MakePreset,
    tmp_path: Path,
    named: str,
    changes: dict[str, Any],
    seed: int,
) -> None:
    first = fit(make_preset())
    before = contents(tmp_path / "run")
    for options in ({}, {"resume": True}):
        with pytest.raises(
            UsageError, match=rf"another run, which differs in {named}\. Choose another --out"
        ):
            fit(make_preset(changes), seed=seed, **options)
    assert contents(tmp_path / "run") == before
    assert same_bits(fit(make_preset()), first)


def test_other_images_of_the_same_name_and_number_are_another_run(
    fit: Callable[..., Trained], split: Split, make_preset: MakePreset, fabric: Fabric, tmp_path: Path
) -> None:
    fit(make_preset())
    images = split.train.images.copy()
    images[0, 0, 0, 0] += 1
    other = dataclasses.replace(split, train=LabelledImages(images, split.train.labels))
    with pytest.raises(UsageError, match="differs in image_content"):
        train(other, make_preset(), 0, tmp_path / "run", fabric, quiet=True)


def test_fresh_starts_anew_whatever_is_there(
    fit: Callable[..., Trained], make_preset: MakePreset, at_step: Callable[..., list[Tensor]]
) -> None:
    first = fit(make_preset())
    fit(make_preset(), seed=1, fresh=True)
    steps = at_step(0, lambda run: None)
    again = fit(make_preset(), fresh=True)
    assert len(steps) == 4
    assert same_bits(first, again)
    assert again.history == first.history  # not after the rows of the other run
    fit(make_preset())
    assert len(steps) == 4  # trained already
    with pytest.raises(UsageError, match="--resume goes on and --fresh starts anew"):
        fit(make_preset(), fresh=True, resume=True)


def test_a_flipped_bit_costs_an_epoch_and_no_bit(
    fit: Callable[..., Trained],
    make_preset: MakePreset,
    at_step: Callable[..., list[Tensor]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole = fit(make_preset(EVERYTHING), "whole")
    fit(make_preset(EVERYTHING))
    newest = tmp_path / "run" / FILE_NAME
    flip(newest)
    steps = at_step(0, lambda run: None)
    again = fit(make_preset(EVERYTHING), quiet=False)
    assert len(steps) == 2  # the last of three epochs
    assert same_bits(whole, again)
    assert rows_text(tmp_path / "run") == rows_text(tmp_path / "whole")
    told = capsys.readouterr().err
    assert "checkpoint.pt is damaged (its digest does not match). It is removed, and the one before" in told
    assert "Going on at step 4 of 6" in told
    assert read_checkpoint(newest)["step"] == 6


def test_a_long_epoch_is_saved_within(
    fit: Callable[..., Trained],
    make_preset: MakePreset,
    at_step: Callable[..., list[Tensor]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    preset = make_preset(EVERYTHING)
    whole = fit(preset, "whole")
    seen = []

    def look(run: TrainingRun) -> None:
        seen.append(read_checkpoint(tmp_path / "run" / FILE_NAME)["step"])
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(loop, "SAVE_EVERY", 0.0)
        patch.setattr(loop, "train_step", loop.train_step)
        at_step(4, look)
        with pytest.raises(MemoryError):
            fit(preset)
    monkeypatch.undo()
    assert seen == [3]  # in the middle of an epoch of two steps
    assert same_bits(fit(preset), whole)


def test_sigterm_is_taken_like_ctrl_c(
    fit: Callable[..., Trained], make_preset: MakePreset, at_step: Callable[..., list[Tensor]], tmp_path: Path
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    at_step(3, lambda run: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(Terminated):
        fit(make_preset())
    assert signal.getsignal(signal.SIGTERM) is before
    assert read_checkpoint(tmp_path / "run" / FILE_NAME)["step"] == 3


def test_a_folder_that_goes_away_is_one_sentence_and_is_not_made_again(
    fit: Callable[..., Trained], make_preset: MakePreset, at_step: Callable[..., list[Tensor]], tmp_path: Path
) -> None:
    at_step(3, lambda run: (tmp_path / "run").rename(tmp_path / "moved"))
    with pytest.raises(StorageError, match="moved or deleted"):
        fit(make_preset())
    assert not (tmp_path / "run").exists()
    (tmp_path / "moved").rename(tmp_path / "run")
    assert same_bits(fit(make_preset()), fit(make_preset(), "whole"))


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def flip(path: Path) -> None:
    """Flip one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


# --- trouble -------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_stops_the_run_and_is_named(
    fit: Callable[..., Trained], make_preset: MakePreset, at_step: Callable[..., list[Tensor]], tmp_path: Path
) -> None:
    def spoil(run: TrainingRun) -> None:
        with torch.no_grad():
            run.players.plain_model().classifier.weight.fill_(float("nan"))

    at_step(3, spoil)
    with pytest.raises(
        TrainingError, match=r"'class_loss' is nan by step 4 \(epoch 2\).*Lower the learning rate"
    ):
        fit(make_preset({"training.epochs": 4}))
    saved = read_checkpoint(tmp_path / "run" / FILE_NAME)
    assert saved["step"] == 2  # the last state that was sound
    assert all(torch.isfinite(part).all() for part in saved["players"]["model"].values())


def test_a_collapsed_gan_is_told_once(
    fit: Callable[..., Trained],
    make_preset: MakePreset,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    build = training_run.build_players

    def dead_generator(*arguments: Any) -> Any:
        players = build(*arguments)
        with torch.no_grad():
            for parameter in players.generator.parameters():
                parameter.zero_()
        return players

    monkeypatch.setattr(training_run, "build_players", dead_generator)
    preset = make_preset({"training.epochs": 4, "gan.generator_bias": False})
    history = fit(preset, quiet=False).history
    assert [row["fake_diversity"] for row in history] == [0, 0, 0, 0]
    captured = capsys.readouterr()
    assert captured.err.count("the GAN has collapsed: its fakes vary 0%") == 1
    assert "step 2/8 · epoch 1" in captured.err
    assert captured.out == ""


def test_a_sound_gan_is_not_called_collapsed(
    fit: Callable[..., Trained], make_preset: MakePreset, capsys: pytest.CaptureFixture[str]
) -> None:
    history = fit(make_preset({"training.epochs": 3}), quiet=False).history
    assert all(row["fake_diversity"] > 0.1 for row in history)
    assert "collapsed" not in capsys.readouterr().err


def test_the_log_has_every_loss_and_is_what_training_returns(
    fit: Callable[..., Trained], make_preset: MakePreset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = fit(make_preset())
    rows = [json.loads(line) for line in rows_text(tmp_path / "run")]
    assert rows == list(trained.history)
    losses = {"class_loss", "disc_real_loss", "disc_fake_loss", "gan_disc_loss", "gan_gen_loss"}
    assert {"step", "epoch", "fake_diversity"} | losses <= rows[0].keys()
    assert [(row["step"], row["epoch"]) for row in rows] == [(2, 1), (4, 2)]
    assert capsys.readouterr() == ("", "")  # quiet


def test_rows_are_means_over_the_steps_since_the_last(
    fit: Callable[..., Trained], make_preset: MakePreset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made_up(run: TrainingRun, chosen: Tensor) -> dict[str, Tensor]:
        return {"class_loss": torch.tensor(10.0 * run.step), "fake_diversity": torch.tensor(1.0)}

    monkeypatch.setattr(loop, "train_step", made_up)
    monkeypatch.setattr(loop, "LOG_EVERY", 3)
    history = fit(make_preset({"training.epochs": 2, "training.batch_size": 4})).history  # 4 steps an epoch
    assert [(row["step"], row["class_loss"]) for row in history] == [(3, 10), (4, 30), (6, 45), (8, 65)]


def test_a_folder_that_cannot_be_made_is_a_storage_error(
    fit: Callable[..., Trained], make_preset: MakePreset, tmp_path: Path
) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(StorageError, match="cannot be written"):
        fit(make_preset(), folder="run/training")
