"""Networks of timm and torchvision by name: what they want, the same features, told names and sizes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from lightning_fabric import Fabric
from torch import Tensor, nn
from torchvision.transforms.functional import normalize

from euinet.errors import UnknownNameError, UsageError
from euinet.networks import to_network_range
from euinet.networks.published import published
from euinet.networks.trunks import make_trunk, trunk_maker
from euinet.presets import ModelSettings, Preset
from euinet.records import Split
from euinet.training.players import build_players


def trunk(name: str, size: int, channels: int = 3, embedding: int = 0) -> nn.Module:
    torch.manual_seed(0)
    return make_trunk(ModelSettings(backbone=name, embedding=embedding), (channels, size, size)).eval()


# --- what each wants of images, by their own records ------------------------------------------------


@pytest.mark.parametrize(
    ("name", "mean", "size", "resize", "interpolation"),
    [
        ("timm/vit_tiny_patch16_224", 0.5, 224, 248, "bicubic"),  # 224 of 0.9
        ("timm/convnext_atto", 0.485, 224, 256, "bicubic"),  # of 0.875
        ("timm/efficientnet_b0", 0.485, 224, 256, "bicubic"),
        ("timm/vit_small_patch14_dinov2", 0.485, 518, 518, "bicubic"),
        ("torchvision/resnet18", 0.485, 224, 256, "bilinear"),
        ("torchvision/resnet50", 0.485, 224, 232, "bilinear"),
        ("torchvision/inception_v3", 0.485, 299, 342, "bilinear"),
    ],
)
def test_images_are_wanted_as_the_weights_were_made(
    name: str, mean: float, size: int, resize: int, interpolation: str
) -> None:
    found = published(name)
    assert (found.mean[0], found.image_size, found.resize, found.interpolation) == (
        mean,
        size,
        resize,
        interpolation,
    )


# --- the same numbers -------------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "convnext_atto", "efficientnet_b0"])
def test_features_are_what_timm_s_classifier_reads_after_a_file_of_its_weights(
    name: str, tmp_path: Path, random_images: Callable[..., Tensor]
) -> None:
    torch.manual_seed(1)
    size = {"img_size": 64} if name.startswith("vit") else {}
    theirs = timm.create_model(name, num_classes=5, **size)
    for part in theirs.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0
    theirs.train()(torch.randn(8, 3, 64, 64))  # BatchNorm's statistics, that it does something
    theirs.eval()
    path, ours = tmp_path / "weights.pth", trunk(f"timm/{name}", 64)
    torch.save({"state_dict": {f"module.{key}": value for key, value in theirs.state_dict().items()}}, path)
    loaded = ours.load_weights(path)
    images = random_images(3, 3, 64, 64)
    config = timm.data.resolve_model_data_config(theirs)
    read = normalize(images / 255, config["mean"], config["std"])
    wanted = theirs.forward_head(theirs.forward_features(read), pre_logits=True)
    (found,) = ours(to_network_range(images))
    # statistics of few images make features of hundreds, whose rounding is seen
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=0.005 * wanted.std().item())
    logits = theirs(read)
    torch.testing.assert_close(
        theirs.get_classifier()(found), logits, rtol=1e-4, atol=0.005 * logits.std().item()
    )
    assert found.std() > 1e-3
    last = sum(parameter.numel() for parameter in theirs.get_classifier().parameters())
    every = sum(parameter.numel() for parameter in theirs.parameters())
    assert sum(parameter.numel() for parameter in loaded) == every - last


@torch.no_grad()
@pytest.mark.parametrize("name", ["mobilenet_v3_small", "regnet_x_400mf"])
def test_features_are_what_torchvision_s_last_layer_reads(
    name: str, tmp_path: Path, random_images: Callable[..., Tensor]
) -> None:
    theirs = torchvision.models.get_model(name, weights=None, num_classes=5).eval()
    ours, path = trunk(f"torchvision/{name}", 64, channels=1), tmp_path / "weights.pth"
    torch.save(theirs.state_dict(), path)
    ours.load_weights(path)
    images = random_images(2, 1, 64, 64)
    read = normalize(images.expand(-1, 3, -1, -1) / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    *_, last = [part for part in theirs.modules() if isinstance(part, nn.Linear)]
    (found,) = ours(to_network_range(images))
    torch.testing.assert_close(last(found), theirs(read), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_an_embedding_reads_the_features() -> None:
    whole = trunk("timm/resnet18", 32, embedding=6)
    features, embedded = whole(torch.zeros(2, 3, 32, 32))
    assert (features.shape, embedded.shape) == ((2, 512), (2, 6))
    torch.testing.assert_close(whole.embed(features[:, :, None, None]), embedded)


def test_weights_of_another_network_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(timm.create_model("resnet34", num_classes=0).state_dict(), path)
    with pytest.raises(
        UsageError, match=r"does not hold timm's resnet18: it also holds layer1\.2\.conv1\.wei"
    ):
        trunk("timm/resnet18", 32).load_weights(path)


def test_the_seed_s_weights_are_the_seed_s(
    split: Split, make_preset: Callable[..., Preset], fabric: Fabric
) -> None:
    preset = make_preset({"model.backbone": "timm/test_efficientnet"})
    first, second = (build_players(split, preset, 5, fabric).plain_model().state_dict() for _ in range(2))
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


# --- names and sizes --------------------------------------------------------------------------------

UNKNOWN = {
    "timm/resnt18": r"no backbone 'timm/resnt18': timm has no network .* Did you mean 'timm/resnet18'\?",
    "timm/resnet18.nope": r"timm's resnet18 has no weights 'nope'\. Choose timm/resnet18, or one of timm/",
    "torchvision/resnt18": r"torchvision has no classifier .* Did you mean 'torchvision/resnet18'\? It has ",
    "torchvision/fasterrcnn_resnet50_fpn": r"torchvision has no classifier of this name",
    "efficientnet-lite7": r"no backbone 'efficientnet-lite7'.* Did you mean 'efficientnet-lite",
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_name_that_is_none_is_told_before_anything_is_made(name: str) -> None:
    with pytest.raises(UnknownNameError, match=UNKNOWN[name]):
        trunk_maker(ModelSettings(backbone=name))


def test_timm_that_is_not_installed_is_no_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UnknownNameError, match=r"timm/resnet18 needs the package timm.*'euinet\[train\]'"):
        trunk_maker(ModelSettings(backbone="timm/resnet18"))


REFUSED = {
    ("timm/resnet18", 2, 32): r"timm/resnet18 reads grey or colour images, 1 or 3 channels, not 2",
    ("timm/vit_tiny_patch16_224", 3, 40): r"side is a multiple of 16 pixels, not 40: change the images' size",
    ("torchvision/vit_b_32", 3, 40): r"cannot read images of 40 × 40 pixels .*made for 224 × 224",
    ("torchvision/inception_v3", 3, 32): r"cannot read images of 32 × 32 pixels .*made for 299 × 299",
    ("torchvision/squeezenet1_1", 3, 64): r"SqueezeNet does not end in a linear layer",
}


@pytest.mark.parametrize("case", REFUSED)
def test_images_that_it_cannot_read_are_one_sentence(case: tuple[str, int, int]) -> None:
    name, channels, size = case
    with pytest.raises(UsageError, match=REFUSED[case]):
        trunk(name, size, channels)
