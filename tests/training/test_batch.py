"""What each network is given in one step, seen at the doors of the GAN's and of EuiNet's update."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor

from euinet.networks import to_network_range
from euinet.presets import Preset
from euinet.records import LabelledImages, Split
from euinet.training import loop
from euinet.training.records import Batch, DiscriminatorBatch
from euinet.training.run import TrainingRun
from euinet.training.steps import GanStep

IMAGES = 64  # a step; on 8 × 8 pixels
CLASSES = 3
# Sizes that differ from one another, so that no part can stand for another.
GAN, REALS, OUTLIERS, MIXTURES, POSED = 20, 30, 26, 400, 34
ONLY_FAKES = {
    "training.batch_size": IMAGES,
    "training.disc_shapes_trunk": False,
    "training.poses": POSED,
    "gan.batch_size": GAN,
}
WITH_OUTLIERS = ONLY_FAKES | {
    "model.disc_input": "evidence",
    "disc.reals": REALS,
    "disc.outliers": OUTLIERS,
    "disc.outlier_share": 0.5,
    "disc.mixtures": MIXTURES,
    "disc.mixture_share": 0.25,
}
BOTH_KINDS = pytest.mark.parametrize("changes", [ONLY_FAKES, WITH_OUTLIERS], ids=["only fakes", "outliers"])


class Seen(NamedTuple):
    """What the networks were given in one step, and the step's images as they are, in its order."""

    raw: Tensor  # (B, C, H, W), −1 … 1
    labels: Tensor  # (B,)
    gan_reals: Tensor
    latents: Tensor
    game: GanStep
    batch: Batch
    fakes: Tensor
    disc: DiscriminatorBatch | None  # None: the discriminator is given `batch.images` and `fakes` alone
    losses: dict[str, Tensor]
    training: list[bool]  # whether generator, GAN's discriminator and EuiNet were in training mode

    @property
    def discriminator(self) -> DiscriminatorBatch:
        """What the discriminator was given, where the preset has more than fakes."""
        assert self.disc is not None
        return self.disc


Steps = Callable[..., list[Seen]]


@pytest.fixture
def steps(
    split: Split,
    fabric: Fabric,
    make_preset: Callable[..., Preset],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Steps:
    """Take training steps with a preset changed by `changes`; `images` (N, 1, 8, 8) uint8 are trained on."""

    def take(
        changes: dict[str, Any],
        *,
        images: Tensor | None = None,
        fakes: Tensor | None = None,
        seed: int = 0,
        count: int = 1,
    ) -> list[Seen]:
        # No two images share a pixel pattern, and their labels do not follow the order of the batch.
        stream = torch.Generator().manual_seed(11)
        if images is None:
            images = torch.randint(0, 256, (2 * IMAGES, 1, 8, 8), generator=stream, dtype=torch.uint8)
        labels = torch.arange(len(images))[torch.randperm(len(images), generator=stream)] % CLASSES
        train = LabelledImages(images.numpy(), labels.numpy())
        run = TrainingRun(replace(split, train=train), make_preset(changes), seed, tmp_path, fabric)
        seen: dict[str, Any] = {}
        gan_step, fakes_alone, with_outliers = loop.gan_step, loop.joint_step, loop.joint_step_with_outliers

        def spy_gan(_: Fabric, players: Any, reals: Tensor, latents: Tensor, settings: Any) -> GanStep:
            assert settings == run.preset.gan
            game = gan_step(fabric, players, reals, latents, settings)
            game = game if fakes is None else game._replace(fakes=fakes[: len(latents)])
            networks = (players.generator, players.gan_discriminator, players.model)
            training = [network.training for network in networks]
            seen.update(gan_reals=reals, latents=latents, game=game, training=training)
            return game

        def spy_fakes(_: Fabric, players: Any, batch: Batch, shown: Tensor, settings: Any) -> Any:
            assert settings == run.preset.training
            seen.update(batch=batch, fakes=shown, disc=None)
            return fakes_alone(fabric, players, batch, shown, settings)

        def spy_outliers(
            _: Fabric, players: Any, batch: Batch, shown: DiscriminatorBatch, training: Any, disc: Any
        ) -> Any:
            assert (training, disc) == (run.preset.training, run.preset.disc)
            seen.update(batch=batch, fakes=shown.fakes, disc=shown)
            return with_outliers(fabric, players, batch, shown, training, disc)

        with monkeypatch.context() as patch:
            patch.setattr(loop, "gan_step", spy_gan)
            patch.setattr(loop, "joint_step", spy_fakes)
            patch.setattr(loop, "joint_step_with_outliers", spy_outliers)
            taken = []
            for epoch in range(count):
                chosen = run.epoch_order(epoch)[:IMAGES]
                run.evaluated_model()  # as after each epoch: it leaves the network in eval mode
                losses = loop.train_step(run, chosen)
                raw = to_network_range(run.images[chosen])
                taken.append(Seen(raw=raw, labels=run.labels[chosen], losses=losses, **seen))
        return taken

    return take


def every_pose(images: Tensor) -> Tensor:
    """The eight poses of (B, C, H, W) images, (8, B, C, H, W), numbered as docs/detection.md does."""
    plain = [torch.rot90(images, turn, (2, 3)) for turn in range(4)]
    return torch.stack(plain + [torch.rot90(images.flip(3), turn, (2, 3)) for turn in range(4)])


# --- the GAN ---------------------------------------------------------------------------------------


@BOTH_KINDS
def test_the_gan_plays_with_the_first_images_as_they_are(steps: Steps, changes: dict[str, Any]) -> None:
    """Not augmented, not stitched: its fakes are to look like images, not like warped ones."""
    (seen,) = steps(changes | {"data.augmentation": 1, "data.stitched": 1})
    assert torch.equal(seen.gan_reals, seen.raw[:GAN])


def test_the_latents_are_normal_and_new_in_each_step(steps: Steps) -> None:
    first, second = steps(ONLY_FAKES | {"gan.latent_size": 50}, count=2)
    (again,), (other,) = (steps(ONLY_FAKES | {"gan.latent_size": 50}, seed=seed) for seed in (0, 1))
    assert first.latents.shape == (GAN, 50)
    assert first.latents.mean().item() == pytest.approx(0, abs=0.15)
    assert first.latents.std().item() == pytest.approx(1, abs=0.1)
    assert torch.equal(first.latents, again.latents)
    for else_ in (second, other):
        assert not torch.isin(first.latents, else_.latents).any()


def test_a_gan_s_batch_is_never_larger_than_the_step_s(steps: Steps) -> None:
    (seen,) = steps(ONLY_FAKES | {"gan.batch_size": 10 * IMAGES})
    assert len(seen.gan_reals) == len(seen.latents) == len(seen.fakes) == IMAGES


@BOTH_KINDS
def test_the_discriminator_is_given_the_fakes_of_the_same_step(steps: Steps, changes: dict[str, Any]) -> None:
    for seen in steps(changes, count=2):
        assert torch.equal(seen.fakes, seen.game.fakes)
        assert not seen.fakes.requires_grad


def test_the_fakes_diversity_is_beside_the_reals_of_the_gan(steps: Steps) -> None:
    """Both without augmentation, which would make even one image, drawn over and over, look diverse."""
    (seen,) = steps(ONLY_FAKES | {"data.augmentation": 1})
    spread = [part.std(dim=0).mean().item() for part in (seen.game.fakes, seen.raw[:GAN])]
    assert seen.losses["fake_diversity"].item() == pytest.approx(spread[0] / spread[1], rel=1e-4)
    (alike,) = steps(ONLY_FAKES | {"data.augmentation": 1}, fakes=torch.zeros(IMAGES, 1, 8, 8))
    assert alike.losses["fake_diversity"].item() == 0


# --- augmentation ----------------------------------------------------------------------------------


def places(images: Tensor) -> Tensor:
    """Where the light of (B, 1, 8, 8) images lies, (B, 2): its middle, in pixels."""
    light = images[:, 0] + 1
    light = light / light.sum(dim=(1, 2), keepdim=True)
    where = torch.arange(8.0)
    return torch.stack([(light.sum(dim=2) * where).sum(dim=1), (light.sum(dim=1) * where).sum(dim=1)], dim=1)


@BOTH_KINDS
@pytest.mark.parametrize("strength", [0.5, 2])
def test_augmentation_alone_does_not_tell_fakes_from_reals(
    steps: Steps, changes: dict[str, Any], strength: float
) -> None:
    """One image, given as every real and as every fake: what becomes of both is spread alike."""
    image = torch.zeros(1, 8, 8, dtype=torch.uint8)
    image[:, 2:6, 2:5] = 255
    changes = changes | {"data.augmentation": strength, "gan.batch_size": IMAGES}
    fakes = to_network_range(image.expand(IMAGES, 1, 8, 8))
    reals_moved, fakes_moved = [], []
    for seen in steps(changes, images=image.expand(2 * IMAGES, 1, 8, 8), fakes=fakes, count=4):
        reals = seen.batch.images if seen.disc is None else seen.discriminator.reals
        for moved, images in ((reals_moved, reals), (fakes_moved, seen.fakes)):
            assert len(images.unique(dim=0)) == len(images)  # each goes its own way
            moved.append(places(images) - places(fakes[:1]))
    spread = [torch.cat(moved).std(dim=0) for moved in (reals_moved, fakes_moved)]
    assert ((0.3 * strength < spread[0]) & (spread[0] < 0.5 * strength)).all(), spread[0]  # pixels
    torch.testing.assert_close(*spread, rtol=0.25, atol=0)


def test_without_augmentation_images_are_as_they_were(steps: Steps) -> None:
    (seen,) = steps(WITH_OUTLIERS)
    assert torch.equal(seen.batch.images, seen.raw)
    assert torch.equal(seen.discriminator.reals, seen.raw[:REALS])


# --- the classifier and the pose task --------------------------------------------------------------


@BOTH_KINDS
def test_each_image_comes_with_its_own_label(steps: Steps, changes: dict[str, Any]) -> None:
    (seen,) = steps(changes)
    assert torch.equal(seen.batch.images, seen.raw)
    assert seen.batch.targets.shape == (IMAGES, CLASSES)
    assert torch.equal(seen.batch.targets.argmax(dim=1), seen.labels)
    assert torch.equal(seen.batch.targets.sum(dim=1), torch.ones(IMAGES))
    assert seen.batch.targets.max(dim=1).values.eq(1).all()


def test_the_first_images_are_stitched_for_the_classifier_alone(steps: Steps) -> None:
    (seen,) = steps(WITH_OUTLIERS | {"data.stitched": 0.75})
    stitched = 48
    made, whole = seen.batch.images.flatten(1), seen.raw.flatten(1)
    assert torch.equal(made[stitched:], whole[stitched:])
    foreign = made != whole  # (B, pixels)
    assert foreign[:stitched].any(dim=1).float().mean() > 0.9  # a partner may be the image itself
    # All foreign pixels are of one other image of the batch; the target is shared out by area.
    partner = ((made[:, None] == whole) | ~foreign[:, None]).all(dim=2).float().argmax(dim=1)
    assert ((made == whole[partner]) | ~foreign).all()
    kinds = torch.eye(CLASSES)[seen.labels]
    area = foreign.float().mean(dim=1, keepdim=True)
    wanted = (1 - area) * kinds + area * kinds[partner]
    torch.testing.assert_close(
        seen.batch.targets, wanted, rtol=0, atol=0.05
    )  # a few pixels are alike by chance
    # Half images are what pseudo-outliers are made of; held for real, they would teach the opposite.
    assert torch.equal(seen.discriminator.reals, seen.raw[:REALS])


@BOTH_KINDS
def test_posed_images_are_the_last_whole_ones_under_the_number_of_class_and_pose(
    steps: Steps, changes: dict[str, Any]
) -> None:
    (seen,) = steps(changes | {"data.stitched": 1})
    assert seen.batch.posed is not None
    assert seen.batch.pose_labels is not None
    kind, number = seen.batch.pose_labels // 8, seen.batch.pose_labels % 8
    assert torch.equal(kind, seen.labels[-POSED:])
    wanted = every_pose(seen.raw[-POSED:])[number, torch.arange(POSED)]
    assert torch.equal(seen.batch.posed, wanted)
    assert len(number.unique()) == 8


def test_posed_images_are_augmented(steps: Steps) -> None:
    (seen,) = steps(WITH_OUTLIERS | {"data.augmentation": 1})
    assert seen.batch.posed is not None
    assert seen.batch.pose_labels is not None
    number, each = seen.batch.pose_labels % 8, torch.arange(POSED)
    assert torch.equal(seen.batch.posed, every_pose(seen.batch.images[-POSED:])[number, each])
    assert not (seen.batch.posed == every_pose(seen.raw[-POSED:])[number, each]).flatten(1).all(dim=1).any()


def test_more_poses_than_images_pose_each_once_and_none_pose_nothing(steps: Steps) -> None:
    (all_of_them,) = steps(ONLY_FAKES | {"training.poses": 10 * IMAGES})
    assert all_of_them.batch.pose_labels is not None
    assert torch.equal(all_of_them.batch.pose_labels // 8, all_of_them.labels)
    (none,) = steps(ONLY_FAKES | {"training.poses": 0})
    assert none.batch.posed is None
    assert none.batch.pose_labels is None
    assert "pose_loss" not in none.losses


# --- the model discriminator -----------------------------------------------------------------------


def test_its_reals_are_the_first_augmented_images(steps: Steps) -> None:
    changes = WITH_OUTLIERS | {"data.augmentation": 1}
    (seen,) = steps(changes)
    assert torch.equal(seen.discriminator.reals, seen.batch.images[:REALS])
    assert not (seen.discriminator.reals == seen.raw[:REALS]).flatten(1).all(dim=1).any()
    (everything,) = steps(changes | {"disc.reals": 0})
    assert torch.equal(everything.discriminator.reals, everything.batch.images)


def test_its_outliers_are_none_of_the_images(steps: Steps) -> None:
    for seen in steps(WITH_OUTLIERS | {"data.augmentation": 1}, count=5):
        outliers = seen.discriminator.outliers
        assert outliers.shape == (OUTLIERS, 1, 8, 8)
        assert outliers.abs().max() <= 1
        assert len(outliers.unique(dim=0)) == OUTLIERS
        for images in (seen.raw, seen.batch.images, seen.fakes):
            assert torch.cdist(outliers.flatten(1), images.flatten(1), p=float("inf")).min() > 0.05


def test_outliers_are_made_of_the_last_augmented_images_and_their_labels(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With makers that hand back what they were given, or its partner."""
    changes = WITH_OUTLIERS | {"data.augmentation": 1}

    def outliers(maker: Callable[[Tensor, Tensor, torch.Generator], Tensor]) -> tuple[Seen, Tensor]:
        monkeypatch.setattr("euinet.augmentations.outliers._MAKERS", (maker,) * 13)
        (seen,) = steps(changes)
        return seen, seen.discriminator.outliers

    seen, made = outliers(lambda images, others, noise: -images)
    last, labels = seen.batch.images[-OUTLIERS:], seen.labels[-OUTLIERS:]
    assert torch.equal(made, -last)
    assert labels.bincount().max() > OUTLIERS / 3  # so that wrong labels would lead to wrong partners
    seen, made = outliers(lambda images, others, noise: others)
    partner = (made[:, None] == last[None]).flatten(2).all(dim=2).float().argmax(dim=1)
    assert torch.equal(made, last[partner])
    assert sorted(partner.tolist()) == list(range(OUTLIERS))
    assert (labels[partner] != labels).float().mean() > 0.8


def test_more_outliers_than_images_make_one_of_each(steps: Steps) -> None:
    (seen,) = steps(WITH_OUTLIERS | {"disc.outliers": 10 * IMAGES})
    assert len(seen.discriminator.outliers) == IMAGES


def test_mixtures_lie_well_between_two_classes(steps: Steps) -> None:
    """0.3 to 0.7 of the way, evenly drawn: nearer to one end they would be images of that class."""
    (seen,) = steps(WITH_OUTLIERS)
    first, second, share = seen.discriminator.mixing
    assert first.shape == second.shape == (MIXTURES,)
    assert share.shape == (MIXTURES, 1)
    assert 0.3 <= share.min() < 0.31
    assert 0.69 < share.max() <= 0.7
    assert share.mean().item() == pytest.approx(0.5, abs=0.02)
    assert share.std().item() == pytest.approx(0.4 / 12**0.5, rel=0.1)


def test_mixtures_are_of_reals_of_two_classes_each_in_turn(steps: Steps) -> None:
    (seen,) = steps(WITH_OUTLIERS)
    first, second, _ = seen.discriminator.mixing
    labels = seen.labels[:REALS]
    assert max(first.max(), second.max()) < REALS
    assert first.bincount().tolist() == [14] * 10 + [13] * 20  # 400 of 30 reals
    # By chance it would be two of three.
    assert (labels[first] != labels[second]).float().mean() > 0.9


def test_outliers_or_mixtures_may_come_alone(steps: Steps) -> None:
    (mixtures,) = steps(WITH_OUTLIERS | {"disc.outliers": 0, "disc.outlier_share": 0})
    assert len(mixtures.discriminator.outliers) == 0
    assert len(mixtures.discriminator.mixing.first) == MIXTURES
    (outliers,) = steps(WITH_OUTLIERS | {"disc.mixtures": 0, "disc.mixture_share": 0})
    assert len(outliers.discriminator.outliers) == OUTLIERS
    assert len(outliers.discriminator.mixing.first) == 0


# --- the step --------------------------------------------------------------------------------------


def test_all_networks_are_in_training_mode_whatever_was_before(steps: Steps) -> None:
    for seen in steps(ONLY_FAKES, count=2):
        assert seen.training == [True] * 3


@BOTH_KINDS
def test_the_run_s_stream_decides_all_that_is_seen(steps: Steps, changes: dict[str, Any]) -> None:
    """And nothing else draws: the program's own stream neither matters nor moves."""
    changes = changes | {"data.augmentation": 1, "data.stitched": 0.5}
    (once,) = steps(changes)
    torch.rand(3)
    before = copy.deepcopy(torch.get_rng_state())
    (again,), (other,) = steps(changes), steps(changes, seed=1)
    assert torch.equal(torch.get_rng_state(), before)

    def drawn(seen: Seen) -> list[Tensor]:
        parts = [*seen.batch, seen.latents, seen.fakes]
        if seen.disc is not None:
            parts += [seen.disc.outliers, *seen.disc.mixing[1:]]
        return [part for part in parts if part is not None]

    for one, two, another in zip(drawn(once), drawn(again), drawn(other), strict=True):
        assert torch.equal(one, two)
        assert not torch.equal(one, another)
