from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from euinet.networks import to_network_range
from euinet.networks.discriminators import GanDiscriminator, RunningStandardiser
from euinet.networks.euinet import EuiNet
from euinet.networks.generators import ConvolutionalGenerator, DenseGenerator
from euinet.networks.resnet import PointwiseConv, ResidualBlock
from euinet.presets import ModelSettings

GEOMETRIES = [(1, 8), (1, 28), (3, 32)]
DISC_INPUTS = ["pixels", "features", "stages", "evidence"]
GENERATORS = [ConvolutionalGenerator, DenseGenerator]


def euinet(disc_input: str, channels: int = 1, size: int = 8) -> EuiNet:
    torch.manual_seed(0)
    settings = ModelSettings(trunk_widths=(4, 8), disc_input=disc_input, disc_hidden=8)
    return EuiNet(settings, (channels, size, size), classes=3)


def with_statistics(model: EuiNet, images: Tensor) -> EuiNet:
    """Let BatchNorm see some images, so that its statistics are not the identity."""
    model.train()
    with torch.no_grad():
        model(images[:64])
    return model.eval()


def test_pixels_span_minus_one_to_one() -> None:
    assert to_network_range(torch.tensor([0, 51, 255], dtype=torch.uint8)).tolist() == pytest.approx(
        [-1, -0.6, 1]
    )


@torch.no_grad()
@pytest.mark.parametrize("disc_input", DISC_INPUTS)
@pytest.mark.parametrize(("channels", "size"), GEOMETRIES)
def test_an_image_scores_the_same_alone_and_among_256(
    disc_input: str, channels: int, size: int, random_images: Callable[..., Tensor]
) -> None:
    images = to_network_range(random_images(256, channels, size, size))
    model = with_statistics(euinet(disc_input, channels, size), images)
    together = model(images)
    assert [tuple(part.shape) for part in together[:3]] == [(256, 3), (256,), (256, 8)]
    for index in (0, 100, 255):
        alone = model(images[index : index + 1])
        for part, whole in zip(alone[:3], together[:3], strict=True):
            torch.testing.assert_close(part[0], whole[index], atol=1e-5, rtol=1e-5)
    assert together.disc_logits.std() > 1e-4  # and not because all score alike


@torch.no_grad()
@pytest.mark.parametrize(("channels", "size"), GEOMETRIES)
def test_the_gan_discriminator_scores_each_image_alone_even_while_training(
    channels: int, size: int, random_images: Callable[..., Tensor]
) -> None:
    torch.manual_seed(0)
    discriminator = GanDiscriminator(channels, size).train()
    images = to_network_range(random_images(256, channels, size, size))
    together = discriminator(images)
    assert together.real_logits.shape == (256,)
    alone = discriminator(images[9:10])
    torch.testing.assert_close(alone.real_logits[0], together.real_logits[9], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(alone.features[0], together.features[9], atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(
    ("disc_input", "read"),
    [("pixels", ()), ("features", (1,)), ("stages", (0, 1)), ("evidence", (0, 1))],
    ids=DISC_INPUTS,
)
def test_the_model_discriminator_reads_what_it_is_set_to(
    disc_input: str, read: tuple[int, ...], random_images: Callable[..., Tensor]
) -> None:
    images = to_network_range(random_images(4, 1, 8, 8))
    model = euinet(disc_input).eval()
    before = model(images).disc_logits
    for stage in (0, 1):

        def moved(module: nn.Module, args: object, out: list[Tensor], stage: int = stage) -> list[Tensor]:
            return [part + (index == stage) for index, part in enumerate(out)]

        hook = model.trunk.register_forward_hook(moved)
        changed = not torch.equal(model(images).disc_logits, before)
        hook.remove()
        assert changed == (stage in read)


def test_a_read_only_pass_leaves_the_trunk_as_it_was(random_images: Callable[..., Tensor]) -> None:
    images, others = (to_network_range(random_images(8, 1, 8, 8, seed=seed)) for seed in (1, 2))
    one, two = euinet("stages").train(), euinet("stages").train()
    class_logits = one(images).class_logits
    outputs = two(images, others)
    assert torch.equal(outputs.class_logits, class_logits)
    for (name, mine), (_, theirs) in zip(one.named_buffers(), two.named_buffers(), strict=True):
        assert torch.equal(mine, theirs), name
    assert all(module.training for module in two.modules())
    outputs.disc_logits.sum().backward()
    assert all(parameter.grad is None for parameter in two.trunk.parameters())
    assert all(parameter.grad is not None for parameter in two.discriminator.parameters())
    # the discriminator's scores are those of a trunk at inference
    with torch.no_grad():
        torch.testing.assert_close(two.eval()(others).disc_logits, outputs.disc_logits)


@torch.no_grad()
@pytest.mark.parametrize("size", [8, 13, 28])
def test_an_embedding_knows_where_a_stroke_lies(size: int) -> None:
    """What an average over places cannot tell apart, an embedding does; its shape follows the image's."""
    torch.manual_seed(0)
    settings = {"trunk_widths": (4, 8), "disc_hidden": 8}
    plain = EuiNet(ModelSettings(**settings), (1, size, size), classes=3).eval()
    embedded = EuiNet(ModelSettings(**settings, embedding=6), (1, size, size), classes=3).eval()
    assert (plain.trunk.feature_sizes, embedded.trunk.feature_sizes) == ((4, 8), (4, 8, 6))
    stages = embedded.trunk(torch.randn(5, 1, size, size))
    assert [tuple(stage.shape) for stage in stages] == [(5, 4), (5, 8), (5, 6)]
    assert stages[-1].min() >= 0
    maps = torch.randn(1, 8, -(-size // 4), -(-size // 4))
    moved = maps.roll(1, dims=3)
    torch.testing.assert_close(maps.mean(dim=(2, 3)), moved.mean(dim=(2, 3)))
    embed = embedded.trunk.embed
    assert embed is not None
    assert (embed(maps) - embed(moved)).abs().max() > 0.01


@pytest.mark.parametrize(("size", "stride", "bias"), [(6, 1, False), (7, 2, True), (8, 2, False)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_pointwise_convolution_is_torch_s_own(
    size: int, stride: int, bias: bool, layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    ours = PointwiseConv(3, 5, 1, stride, bias=bias)
    theirs = nn.Conv2d(3, 5, 1, stride, bias=bias)
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(4, 3, size, size)
    read = [images.clone(memory_format=layout).requires_grad_(), images.clone().requires_grad_()]
    # theirs in the default layout: in channels-last it is what PointwiseConv is there to avoid
    mine, expected = ours(read[0]), theirs(read[1])
    torch.testing.assert_close(mine, expected)
    mine.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad)
    torch.testing.assert_close(read[0].grad, read[1].grad)


@torch.no_grad()
def test_a_residual_block_adds_to_its_shortcut() -> None:
    block = ResidualBlock(2, 2, stride=1).eval()
    block.norm2.weight.zero_()
    x = torch.rand(1, 2, 4, 4)  # positive: relu keeps it
    assert torch.equal(block(x), x)
    block.norm2.bias.fill_(0.5)
    assert torch.equal(block(x), x + 0.5)
    assert ResidualBlock(2, 3, stride=2)(x).shape == (1, 3, 2, 2)


@torch.no_grad()
@pytest.mark.parametrize("kind", GENERATORS)
@pytest.mark.parametrize(("channels", "size"), GEOMETRIES)
def test_fakes_have_the_images_geometry_and_range(kind: type[nn.Module], channels: int, size: int) -> None:
    torch.manual_seed(0)
    fakes = kind(channels, size, latent_size=4)(5 * torch.randn(6, 4))
    assert fakes.shape == (6, channels, size, size)
    assert fakes.abs().max() <= 1
    assert fakes.std(dim=0).mean() > 0.05


@torch.no_grad()
@pytest.mark.parametrize("kind", GENERATORS)
def test_without_biases_the_zero_vector_gives_a_constant_image(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    zeros = torch.zeros(2, 4)
    plain = kind(1, 8, latent_size=4, bias=False)
    assert [name for name, _ in plain.named_parameters() if "bias" in name] == []
    assert torch.equal(plain(zeros), torch.zeros(2, 1, 8, 8))
    biased = kind(1, 8, latent_size=4)(zeros)
    assert biased.std() > 1e-4


def test_running_standardiser_follows_reals_and_uses_no_batch() -> None:
    standardise = RunningStandardiser(2)
    reals = torch.tensor([[0.0, 10.0], [2.0, 30.0]])
    standardise.follow(reals)  # the first batch counts whole: mean (1, 20), deviation (1, 10)
    expected = torch.tensor([[-1.0, -1.0], [1.0, 1.0]])
    torch.testing.assert_close(standardise(reals), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(standardise(reals[1:]), expected[1:], rtol=1e-4, atol=1e-4)
    standardise.follow(reals + 2)  # the second counts half
    torch.testing.assert_close(standardise.mean, torch.tensor([2.0, 21.0]))


@pytest.mark.parametrize("batch", [1, 7])
def test_evidence_discriminator_scores_an_image_alone_as_in_a_batch(batch: int) -> None:
    torch.manual_seed(0)
    settings = ModelSettings(
        trunk_widths=(4, 8), disc_input="evidence", memory_per_class=2, memory_neighbours=1
    )
    model = EuiNet(settings, (1, 12, 12), 3).eval()
    images = torch.randn(batch, 1, 12, 12)
    whole, first = model(images).disc_logits, model(images[:1]).disc_logits
    torch.testing.assert_close(whole[:1], first, rtol=1e-4, atol=1e-5)
