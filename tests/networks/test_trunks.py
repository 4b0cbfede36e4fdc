"""The backbones by their names: what each gives, and what is said of one that is not there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from commands import Ended
from euinet.errors import UnknownNameError, UsageError
from euinet.export.save import save_model
from euinet.model.card import LogitRange, ModelCard
from euinet.model.names import CONFIG_FILE
from euinet.networks.euinet import EuiNet
from euinet.networks.torchvision_resnet import TORCHVISION_RESNETS
from euinet.networks.trunks import BACKBONES, register_backbone, trunk_maker
from euinet.presets import ModelSettings, Preset
from euinet.records import Split
from euinet.trained.model import TrainedModel, load_trained
from euinet.training.players import build_players
from plugins import install

ODD = """
import torch
from torch import nn
from euinet.networks.trunks import Trunk, register_backbone

torch.manual_seed(123)  # what a package does with the generator and on which device, is not known
SCALE = torch.tensor([3.0])

class Scaled(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.layer = nn.Conv2d(channels, 4, 3, 2, 1)

    def forward(self, images):
        return self.layer(images * SCALE).relu()

@register_backbone("odd")
def odd(settings, channels, image_size):
    return Trunk(Scaled(channels), [nn.Conv2d(4, 6, 3, 2, 1)], [6], image_size // 4, settings.embedding)
"""


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kept in ("_entries", "_modules"):
        monkeypatch.setattr(BACKBONES, kept, dict(getattr(BACKBONES, kept)))
    monkeypatch.delitem(sys.modules, "plugged_odd", raising=False)
    points = {"euinet.backbones": {"odd": "plugged_odd"}}
    monkeypatch.syspath_prepend(install(tmp_path / "odd", "odd", {"plugged_odd": ODD}, points))


@pytest.fixture
def card(split: Split, make_preset: Callable[..., Preset]) -> ModelCard:
    return ModelCard(
        data=split.dataset,
        class_names=split.class_names,
        known_classes=split.known_classes,
        unknown_classes=split.unknown_classes,
        channels=1,
        image_size=8,
        seed=0,
        logit_range=LogitRange((1.0,) * 3, (0.0,) * 3),
        preset=make_preset({"model.backbone": "odd"}),
        metrics={},
    )


@pytest.mark.parametrize("name", ["", *BACKBONES.names()])
def test_every_backbone_gives_what_it_says(name: str) -> None:
    name += "resnet18" if name.endswith("/") else ""  # one of the family
    settings = ModelSettings(backbone=name, embedding=5)
    with torch.device("meta"):  # shapes alone
        trunk = trunk_maker(settings)(settings, 1, 20)
        found = trunk(torch.zeros(2, 1, 20, 20))
    assert [tuple(stage.shape) for stage in found] == [(2, size) for size in trunk.feature_sizes]
    assert trunk.feature_sizes[-1] == 5
    assert len(trunk.stages) == len(found) - 1


def test_our_own_come_first_and_nothing_is_the_small_one() -> None:
    assert BACKBONES.names()[:11] == ("small", *TORCHVISION_RESNETS)
    assert trunk_maker(ModelSettings()) is BACKBONES["small"]


def test_a_name_of_ours_cannot_be_taken() -> None:
    with pytest.raises(UsageError, match=r"a backbone 'resnet18' already, in euinet\.networks\.torchvision_"):
        register_backbone("resnet18")(lambda *_: pytest.fail("it was made"))


def test_a_backbone_that_reads_no_weights_says_so(
    split: Split, make_preset: Callable[..., Preset], fabric: Fabric
) -> None:
    preset = make_preset({"model.backbone": "small", "training.backbone_weights": "some.pth"})
    with pytest.raises(UsageError, match=r"reads no file of weights: leave training\.backbone_weights out"):
        build_players(split, preset, 0, fabric)


# --- another package's ---------------------------------------------------------------------------


@pytest.mark.usefixtures("odd")
def test_weights_are_the_seed_s_though_a_package_draws_when_it_is_imported(
    split: Split, make_preset: Callable[..., Preset], fabric: Fabric
) -> None:
    preset = make_preset({"model.backbone": "odd", "model.embedding": 3})
    assert "plugged_odd" not in sys.modules
    first, second = (build_players(split, preset, 5, fabric).plain_model().state_dict() for _ in range(2))
    assert first["trunk.embed.1.weight"].shape == (3, 6 * 2 * 2)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


@pytest.mark.usefixtures("odd")
def test_a_model_of_it_is_read_and_scores_although_its_module_makes_tensors(
    split: Split, card: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    trained = TrainedModel(EuiNet(card.preset.model, (1, 8, 8), 3).eval(), card)
    saved = save_model(trained, tmp_path / "model")
    with monkeypatch.context() as patch:  # as in a new process
        patch.delitem(sys.modules, "plugged_odd")
        patch.delitem(BACKBONES._entries, "odd")
        patch.delitem(BACKBONES._modules, "odd")
        loaded = load_trained(tmp_path / "model")
    images = split.test.images
    expected = trained.decide(images).ood_score
    np.testing.assert_allclose(loaded.decide(images).ood_score, expected, rtol=1e-5)
    np.testing.assert_allclose(saved.predict(images).ood_score, expected, rtol=1e-4)


def test_a_model_whose_backbone_is_not_installed_is_not_called_damaged(
    card: ModelCard, tmp_path: Path
) -> None:
    plain = card.preset.model_copy(update={"model": ModelSettings(trunk_widths=(4,))})
    save_model(TrainedModel(EuiNet(plain.model, (1, 8, 8), 3).eval(), replace(card, preset=plain)), tmp_path)
    config = (tmp_path / CONFIG_FILE).read_text()
    assert '"backbone": ""' in config
    (tmp_path / CONFIG_FILE).write_text(config.replace('"backbone": ""', '"backbone": "odd"'))
    with pytest.raises(UnknownNameError, match=r"no backbone 'odd'\..* is there once it is installed"):
        load_trained(tmp_path)


# --- on the command line: before any data are read ----------------------------------------------

SENTENCE = "There is no backbone 'resnt18'. Did you mean 'resnet18'? Choose one of small, resnet18, "


@pytest.mark.parametrize(
    "words",
    [
        ("train", "--set", "model.backbone=resnt18"),
        ("benchmark", "--set", "model.backbone=resnt18"),
        ("tune", "--set", "model.backbone=resnt18"),
        ("tune", "--search", "model.backbone=small|resnt18"),
    ],
    ids=["train", "benchmark", "tune", "searched"],
)
def test_a_wrong_name_is_one_sentence_before_the_data_are_looked_for(
    words: tuple[str, ...], run: Callable[..., Ended], tmp_path: Path
) -> None:
    command, *options = words
    ended = run(command, "--data", "nowhere", "--out", tmp_path / "out", *options)
    assert (ended.code, ended.out) == (2, "")
    assert SENTENCE in ended.err
    assert "nowhere" not in ended.err
    assert not (tmp_path / "out").exists()
