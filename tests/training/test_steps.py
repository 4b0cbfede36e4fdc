from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from euinet.networks import to_network_range
from euinet.networks.records import Mixing
from euinet.presets import Preset
from euinet.records import Split
from euinet.scoring.joint import apply_temperature
from euinet.training.loop import train
from euinet.training.objectives import (
    EuiNetLosses,
    class_losses,
    feature_matching_loss,
    gan_discriminator_loss,
    generator_loss,
)
from euinet.training.players import Players, build_players
from euinet.training.records import Batch, DiscriminatorBatch
from euinet.training.steps import fake_weights, frozen, gan_step, joint_step, joint_step_with_outliers

MakePreset = Callable[..., Preset]
LATENTS = torch.randn(6, 4, generator=torch.Generator().manual_seed(3))


def weights(network: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()]).clone()


def gradients(network: nn.Module) -> list[Tensor | None]:
    return [None if p.grad is None else p.grad.clone() for p in network.parameters()]


def assert_gradients_equal(network: nn.Module, expected: tuple[Tensor, ...]) -> None:
    for parameter, gradient in zip(network.parameters(), expected, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, gradient)


@pytest.fixture
def reals(split: Split) -> Tensor:
    return to_network_range(split.train.images[:6])


@pytest.fixture
def batch(split: Split, reals: Tensor) -> Batch:
    return Batch(reals, nn.functional.one_hot(torch.from_numpy(split.train.labels[:6]), 3).float())


def made(split: Split, fabric: Fabric, preset: Preset) -> Players:
    players = build_players(split, preset, 0, fabric)
    players.train()
    return players


def set_rate(optimizer: object, rate: float) -> None:
    optimizer.param_groups[0]["lr"] = rate  # type: ignore[attr-defined]


# --- the GAN -------------------------------------------------------------------------------------


@pytest.mark.parametrize("generator", ["dense", "convolutional"])
def test_each_player_gets_the_gradient_of_its_own_loss_alone(
    split: Split, fabric: Fabric, make_preset: MakePreset, reals: Tensor, generator: str
) -> None:
    preset = make_preset({"gan.generator": generator})
    players = made(split, fabric, preset)
    old_generator = copy.deepcopy(players.generator.module)
    old_discriminator = copy.deepcopy(players.gan_discriminator.module)
    step = gan_step(fabric, players, reals, LATENTS, preset.gan)

    fakes = old_generator(LATENTS)
    torch.testing.assert_close(step.fakes, fakes.detach())
    disc_loss = gan_discriminator_loss(
        old_discriminator(reals).real_logits, old_discriminator(fakes).real_logits
    )
    expected = torch.autograd.grad(disc_loss, list(old_discriminator.parameters()), retain_graph=True)
    # nothing of the generator's backward is left in D
    assert_gradients_equal(players.gan_discriminator, expected)

    # the generator plays against D as it is after D's update, and gets nothing of D's own loss
    loss = generator_loss(players.gan_discriminator.module(fakes).real_logits)
    assert_gradients_equal(players.generator, torch.autograd.grad(loss, list(old_generator.parameters())))
    assert step.disc_loss.item() == pytest.approx(disc_loss.item(), rel=1e-5)
    assert step.generator_loss.item() == pytest.approx(loss.item(), rel=1e-5)


@pytest.mark.parametrize(("moving", "still"), [("generator", "gan_disc"), ("gan_disc", "generator")])
def test_each_optimizer_moves_its_own_player(
    split: Split, fabric: Fabric, make_preset: MakePreset, reals: Tensor, moving: str, still: str
) -> None:
    preset = make_preset()
    players = made(split, fabric, preset)
    set_rate(getattr(players, f"{still}_optimizer"), 0.0)
    network = {"generator": players.generator, "gan_disc": players.gan_discriminator}
    before = {name: weights(player) for name, player in network.items()}
    model = weights(players.model)
    gan_step(fabric, players, reals, LATENTS, preset.gan)
    assert torch.equal(weights(network[still]), before[still])
    assert not torch.equal(weights(network[moving]), before[moving])
    assert torch.equal(weights(players.model), model)


def test_each_round_s_gradient_is_its_own(
    split: Split, fabric: Fabric, make_preset: MakePreset, reals: Tensor
) -> None:
    """Nothing of the round before is added; with a rate of 0 the second is the first once more."""
    preset = make_preset()
    players = made(split, fabric, preset)
    for optimizer in (players.generator_optimizer, players.gan_disc_optimizer):
        set_rate(optimizer, 0.0)
    first, second = [], []
    for found in (first, second):
        gan_step(fabric, players, reals, LATENTS, preset.gan)
        found += gradients(players.generator) + gradients(players.gan_discriminator)
    for one, two in zip(first, second, strict=True):
        torch.testing.assert_close(one, two)


def test_fakes_are_detached_and_in_range(
    split: Split, fabric: Fabric, make_preset: MakePreset, reals: Tensor
) -> None:
    preset = make_preset()
    step = gan_step(fabric, made(split, fabric, preset), reals, 100 * LATENTS, preset.gan)
    assert not any(part.requires_grad for part in step)
    assert step.fakes.shape == reals.shape
    assert step.fakes.min() < -0.9
    assert step.fakes.max() > 0.9
    assert step.fakes.abs().max() <= 1


def test_d_learns_to_tell_and_g_to_deceive(
    split: Split, fabric: Fabric, make_preset: MakePreset, reals: Tensor
) -> None:
    preset = make_preset()
    players = made(split, fabric, preset)

    def held_for_real() -> tuple[float, float]:
        with torch.no_grad():
            said = players.gan_discriminator.module(torch.cat([reals, players.generator.module(LATENTS)]))
        real, fake = said.real_logits.sigmoid().split([6, 6])
        return real.mean().item(), fake.mean().item()

    set_rate(players.generator_optimizer, 0.0)
    set_rate(players.gan_disc_optimizer, 1e-3)
    for _ in range(25):
        gan_step(fabric, players, reals, LATENTS, preset.gan)
    real, fake = held_for_real()
    assert real > 0.7
    assert fake < 0.3

    set_rate(players.gan_disc_optimizer, 0.0)
    set_rate(players.generator_optimizer, 1e-3)
    for _ in range(25):
        gan_step(fabric, players, reals, LATENTS, preset.gan)
    assert held_for_real()[1] > fake + 0.2


def test_feature_matching_brings_the_features_means_together(
    split: Split, fabric: Fabric, make_preset: MakePreset, reals: Tensor
) -> None:
    preset = make_preset({"gan.adversarial_weight": 0, "gan.feature_matching_weight": 3})
    players = made(split, fabric, preset)
    set_rate(players.gan_disc_optimizer, 0.0)
    set_rate(players.generator_optimizer, 1e-3)
    discriminator = players.gan_discriminator.module
    losses = []
    for _ in range(5):
        step = gan_step(fabric, players, reals, LATENTS, preset.gan)
        with torch.no_grad():
            apart = feature_matching_loss(discriminator(reals).features, discriminator(step.fakes).features)
        assert step.generator_loss.item() == pytest.approx(3 * apart.item(), rel=1e-4)
        losses.append(apart.item())
    assert losses[-1] < 0.7 * losses[0]


def test_frozen_gives_back_what_it_took_even_after_an_error() -> None:
    module = nn.Linear(2, 2)
    module.bias.requires_grad_(False)

    def fail_while_frozen() -> None:
        with frozen(module):
            assert not module.weight.requires_grad
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail_while_frozen()
    assert module.weight.requires_grad
    assert not module.bias.requires_grad


# --- EuiNet --------------------------------------------------------------------------------------


def after_one_step(
    split: Split, fabric: Fabric, preset: Preset, batch: Batch, fakes: Tensor
) -> tuple[Players, list[Tensor | None]]:
    players = made(split, fabric, preset)
    joint_step(fabric, players, batch, fakes, preset.training)
    return players, gradients(players.model.module.trunk)


@pytest.mark.parametrize("disc_shapes_trunk", [True, False])
def test_reals_count_as_0_and_fakes_as_1(
    split: Split, fabric: Fabric, make_preset: MakePreset, batch: Batch, disc_shapes_trunk: bool
) -> None:
    preset = make_preset({"training.disc_shapes_trunk": disc_shapes_trunk})
    players, fakes = made(split, fabric, preset), -batch.images[:4]
    model = copy.deepcopy(players.model.module).train(disc_shapes_trunk)
    if not disc_shapes_trunk:
        model.train()(batch.images)  # the classifier's own pass, which moves BatchNorm's statistics
        model.eval()
    real, fake = model(torch.cat([batch.images, fakes])).disc_logits.split([6, 4])
    losses = joint_step(fabric, players, batch, fakes, preset.training)
    assert losses.disc_real_loss.item() == pytest.approx(nn.functional.softplus(real).mean().item(), rel=1e-4)
    assert losses.disc_fake_loss.item() == pytest.approx(
        nn.functional.softplus(-fake).mean().item(), rel=1e-4
    )
    assert abs(losses.disc_real_loss - losses.disc_fake_loss) > 1e-3  # else swapping them would not show


def test_each_joint_step_s_gradient_is_its_own(
    split: Split, fabric: Fabric, make_preset: MakePreset, batch: Batch
) -> None:
    preset = make_preset()
    players = made(split, fabric, preset)
    set_rate(players.model_optimizer, 0.0)
    first, second = [], []
    for found in (first, second):
        joint_step(fabric, players, batch, -batch.images, preset.training)
        found += gradients(players.model)
    for one, two in zip(first, second, strict=True):
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize("disc_input", ["features", "stages", "pixels"])
def test_without_disc_shapes_trunk_the_fakes_leave_no_trace_in_it(
    split: Split, fabric: Fabric, make_preset: MakePreset, batch: Batch, disc_input: str
) -> None:
    preset = make_preset({"training.disc_shapes_trunk": False, "model.disc_input": disc_input})
    one, its_gradients = after_one_step(split, fabric, preset, batch, torch.zeros_like(batch.images))
    two, others = after_one_step(split, fabric, preset, batch, torch.ones_like(batch.images))
    for mine, theirs in zip(its_gradients, others, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0)
    for part in ("trunk", "classifier"):
        mine, theirs = (getattr(players.model.module, part).state_dict() for players in (one, two))
        assert all(torch.equal(mine[name], theirs[name]) for name in mine), part  # BatchNorm's buffers too
    assert not torch.equal(weights(one.model.module.discriminator), weights(two.model.module.discriminator))

    # what the trunk gets is the gradient of the class loss alone
    plain = made(split, fabric, preset).model.module
    loss = class_losses(plain(batch.images).class_logits, batch.targets, "cross_entropy")
    assert_gradients_equal(one.model.module.trunk, torch.autograd.grad(loss, list(plain.trunk.parameters())))


def test_with_disc_shapes_trunk_the_fakes_shape_it(
    split: Split, fabric: Fabric, make_preset: MakePreset, batch: Batch
) -> None:
    preset = make_preset({"training.disc_shapes_trunk": True})
    one, _ = after_one_step(split, fabric, preset, batch, torch.zeros_like(batch.images))
    two, _ = after_one_step(split, fabric, preset, batch, torch.ones_like(batch.images))
    assert not torch.equal(weights(one.model.module.trunk), weights(two.model.module.trunk))
    means = [players.model.module.trunk.stem[1].running_mean for players in (one, two)]
    assert not torch.equal(*means)

    # with the class loss silenced, the discriminator alone still moves the trunk
    players = made(split, fabric, preset)
    with torch.no_grad():
        players.model.module.classifier.weight.zero_()
    before = weights(players.model.module.trunk)
    joint_step(fabric, players, batch, torch.zeros_like(batch.images), preset.training)
    assert not torch.equal(weights(players.model.module.trunk), before)


@pytest.mark.parametrize("disc_shapes_trunk", [True, False])
def test_joint_steps_teach_the_classifier_and_the_discriminator(
    split: Split, fabric: Fabric, make_preset: MakePreset, batch: Batch, disc_shapes_trunk: bool
) -> None:
    preset = make_preset({"training.disc_shapes_trunk": disc_shapes_trunk})
    players = made(split, fabric, preset)
    set_rate(players.model_optimizer, 0.02)
    gan = weights(players.generator), weights(players.gan_discriminator)
    fakes = torch.zeros_like(batch.images)
    losses = [joint_step(fabric, players, batch, fakes, preset.training) for _ in range(40)]
    for name in ("class_loss", "disc_real_loss", "disc_fake_loss"):
        first, last = getattr(losses[0], name), getattr(losses[-1], name)
        assert last < 0.5 * first, name
        assert not first.requires_grad
    assert torch.equal(weights(players.generator), gan[0])
    assert torch.equal(weights(players.gan_discriminator), gan[1])


def test_the_training_temperature_scales_the_class_logits(
    split: Split, fabric: Fabric, make_preset: MakePreset, batch: Batch
) -> None:
    preset = make_preset({"training.temperature": 1e-3})
    cool = joint_step(fabric, made(split, fabric, preset), batch, batch.images, preset.training)
    assert cool.class_loss.item() == pytest.approx(math.log(3), abs=2e-3)  # near-equal logits: K = 3
    sharp = make_preset({"training.temperature": 1e-2, "training.temperature_rule": "divide"})
    players = made(split, fabric, sharp)
    logits = apply_temperature(
        copy.deepcopy(players.model.module)(torch.cat([batch.images] * 2)).class_logits[:6], 100, "multiply"
    )
    loss = joint_step(fabric, players, batch, batch.images, sharp.training).class_loss
    assert loss.item() == pytest.approx(class_losses(logits, batch.targets, "cross_entropy").item(), rel=1e-4)


def test_one_adam_holds_all_of_euinet_and_nothing_else(
    split: Split, fabric: Fabric, make_preset: MakePreset
) -> None:
    players = made(split, fabric, make_preset())

    def held(optimizer: object) -> list[int]:
        groups = optimizer.param_groups  # type: ignore[attr-defined]
        return sorted(id(parameter) for group in groups for parameter in group["params"])

    for network, optimizer in (
        (players.model, players.model_optimizer),
        (players.generator, players.generator_optimizer),
        (players.gan_discriminator, players.gan_disc_optimizer),
    ):
        assert held(optimizer) == sorted(map(id, network.parameters()))
    # section 4.1
    for optimizer, rate, betas in (
        (players.model_optimizer, 2e-4, (0.5, 0.599)),
        (players.generator_optimizer, 1e-4, (0.35, 0.699)),
        (players.gan_disc_optimizer, 1e-4, (0.35, 0.699)),
    ):
        assert isinstance(optimizer.optimizer, torch.optim.Adam)
        assert optimizer.param_groups[0]["lr"] == rate
        assert optimizer.param_groups[0]["betas"] == betas


def test_the_seed_decides_the_first_weights_and_the_global_generator_is_left_alone(
    split: Split, fabric: Fabric, make_preset: MakePreset
) -> None:
    before = torch.get_rng_state()
    first, again, other = (build_players(split, make_preset(), seed, fabric) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    for name in ("model", "generator", "gan_discriminator"):
        assert torch.equal(weights(getattr(first, name)), weights(getattr(again, name)))
        assert not torch.equal(weights(getattr(first, name)), weights(getattr(other, name)))


# --- eq. 2 with pseudo-outliers and mixed features ------------------------------------------------


def test_each_kind_of_fake_weighs_its_share() -> None:
    parts = (torch.zeros(2), torch.zeros(3), torch.zeros(5))
    weights = fake_weights(parts, (0.5, 0.3))
    assert [float(w.sum()) for w in weights.split([2, 3, 5])] == pytest.approx([0.2, 0.5, 0.3])
    assert weights[:2].tolist() == pytest.approx([0.1, 0.1])
    without = fake_weights((torch.zeros(2), torch.zeros(0), torch.zeros(5)), (0.5, 0.3))
    assert [float(w.sum()) for w in without.split([2, 5])] == pytest.approx([0.4, 0.6])
    alone = fake_weights((torch.zeros(2), torch.zeros(1), torch.zeros(0)), (0.5, 0.0))
    assert alone.tolist() == pytest.approx([0.25, 0.25, 0.5])


@pytest.fixture
def evidence_preset(make_preset: MakePreset) -> Preset:
    return make_preset(
        {
            "model.disc_input": "evidence",
            "training.disc_shapes_trunk": "false",
            "disc.outliers": "3",
            "disc.outlier_share": "0.5",
            "disc.mixtures": "2",
            "disc.mixture_share": "0.25",
        }
    )


@pytest.fixture
def disc_batch(reals: Tensor) -> DiscriminatorBatch:
    mixing = Mixing(torch.tensor([0, 1]), torch.tensor([2, 3]), torch.tensor([[0.5], [0.25]]))
    return DiscriminatorBatch(reals[:4], -reals[:2], reals[:3].flip(3), mixing)


def test_the_discriminator_s_loss_by_hand(
    split: Split, fabric: Fabric, evidence_preset: Preset, batch: Batch, disc_batch: DiscriminatorBatch
) -> None:
    """The step's losses against the network taken apart: stages, logits, mixtures, weights."""
    players = made(split, fabric, evidence_preset)
    apart = copy.deepcopy(players.model.module)
    losses = joint_step_with_outliers(
        fabric, players, batch, disc_batch, evidence_preset.training, evidence_preset.disc
    )

    with torch.no_grad():
        apart.trunk(batch.images)  # the classifier's own pass, which moves BatchNorm's statistics
    apart.eval()

    def evidence(stages: list[Tensor]) -> Tensor:
        return torch.cat([*stages, apart.classifier(stages[-1]).sort(dim=1, descending=True).values], dim=1)

    with torch.no_grad():
        stages = apart.trunk(torch.cat([disc_batch.reals, disc_batch.fakes, disc_batch.outliers]))
        mixed = [
            torch.stack([0.5 * stage[0] + 0.5 * stage[2], 0.75 * stage[1] + 0.25 * stage[3]])
            for stage in stages
        ]
        apart.discriminator.standardise.follow(evidence([stage[:4] for stage in stages]))
        logits = apart.discriminator(torch.cat([evidence(stages), evidence(mixed)]))
    real, fakes, outliers, mixtures = logits.split([4, 2, 3, 2])
    assert losses.disc_real_loss.item() == pytest.approx(nn.functional.softplus(real).mean().item(), rel=1e-4)
    by_hand = sum(
        share * nn.functional.softplus(-part).mean().item()
        for share, part in ((0.25, fakes), (0.5, outliers), (0.25, mixtures))
    )
    assert losses.disc_fake_loss.item() == pytest.approx(by_hand, rel=1e-4)


def test_outliers_leave_the_trunk_to_the_classifier(
    split: Split, fabric: Fabric, evidence_preset: Preset, batch: Batch, disc_batch: DiscriminatorBatch
) -> None:
    """Whatever the discriminator is shown, trunk and classifier get the same gradient; it gets another."""
    other = disc_batch._replace(outliers=-disc_batch.outliers)
    gradient = {}
    for name, shown in (("one", disc_batch), ("other", other)):
        players = made(split, fabric, evidence_preset)
        joint_step_with_outliers(
            fabric, players, batch, shown, evidence_preset.training, evidence_preset.disc
        )
        model = players.model.module
        gradient[name] = [gradients(part) for part in (model.trunk, model.classifier, model.discriminator)]
    for part in range(2):
        for one, two in zip(gradient["one"][part], gradient["other"][part], strict=True):
            assert one is not None
            assert two is not None
            torch.testing.assert_close(one, two)
    assert not torch.equal(gradient["one"][2][0], gradient["other"][2][0])  # type: ignore[arg-type]


def test_the_discriminator_learns_to_part_reals_from_outliers(
    split: Split, fabric: Fabric, evidence_preset: Preset, batch: Batch, disc_batch: DiscriminatorBatch
) -> None:
    players = made(split, fabric, evidence_preset)
    set_rate(players.model_optimizer, 3e-3)
    first, *_, last = (
        joint_step_with_outliers(
            fabric, players, batch, disc_batch, evidence_preset.training, evidence_preset.disc
        )
        for _ in range(150)
    )
    assert float(last.disc_real_loss + last.disc_fake_loss) < 0.5 * float(
        first.disc_real_loss + first.disc_fake_loss
    )


# --- poses ---------------------------------------------------------------------------------------


@pytest.fixture(params=["only fakes", "outliers"])
def pose_step(
    request: pytest.FixtureRequest,
    split: Split,
    fabric: Fabric,
    make_preset: MakePreset,
    evidence_preset: Preset,
    disc_batch: DiscriminatorBatch,
) -> Callable[[Batch], tuple[Players, nn.Module, EuiNetLosses]]:
    """One joint step of either kind, with a pose task of weight 0.5; the network as it was comes with it."""
    poses = {"training.poses": 3, "training.pose_weight": 0.5, "training.disc_shapes_trunk": False}
    with_outliers = request.param == "outliers"
    training = evidence_preset.training.model_copy(update={"poses": 3, "pose_weight": 0.5})
    preset = (
        evidence_preset.model_copy(update={"training": training}) if with_outliers else make_preset(poses)
    )

    def step(batch: Batch) -> tuple[Players, nn.Module, EuiNetLosses]:
        players = made(split, fabric, preset)
        before = copy.deepcopy(players.model.module)
        if with_outliers:
            losses = joint_step_with_outliers(
                fabric, players, batch, disc_batch, preset.training, preset.disc
            )
        else:
            losses = joint_step(fabric, players, batch, -batch.images, preset.training)
        return players, before, losses

    return step


def test_the_pose_task_shapes_trunk_and_pose_head_by_its_weight(
    pose_step: Callable[[Batch], tuple[Players, nn.Module, EuiNetLosses]], batch: Batch
) -> None:
    pose_labels = torch.tensor([8, 3, 17])
    players, before, losses = pose_step(
        batch._replace(posed=batch.images[:3].flip(2), pose_labels=pose_labels)
    )
    stages = before.trunk(torch.cat([batch.images, batch.images[:3].flip(2)]))[-1]
    class_loss = class_losses(before.classifier(stages[:6]), batch.targets, "cross_entropy")
    pose_loss = nn.functional.cross_entropy(before.pose_head(stages[6:]), pose_labels)
    assert losses.pose_loss is not None
    assert losses.pose_loss.item() == pytest.approx(0.5 * pose_loss.item(), rel=1e-4)
    assert losses.class_loss.item() == pytest.approx(class_loss.item(), rel=1e-4)
    for part in ("trunk", "classifier", "pose_head"):
        wanted = list(getattr(before, part).parameters())
        expected = torch.autograd.grad(class_loss + 0.5 * pose_loss, wanted, retain_graph=True)
        assert_gradients_equal(getattr(players.model.module, part), expected)


def test_a_finished_training_keeps_no_pose_head(
    split: Split, fabric: Fabric, make_preset: MakePreset, tmp_path: Path
) -> None:
    changes = {"training.poses": 4, "training.disc_shapes_trunk": False, "training.average_decay": 0.9}
    trained = train(split, make_preset(changes), 0, tmp_path, fabric, quiet=True)
    assert not any("pose" in name for name in trained.model.state_dict())
    assert all("pose_loss" in row for row in trained.history)
