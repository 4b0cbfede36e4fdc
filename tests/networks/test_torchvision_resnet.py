"""torchvision's networks as the trunk: the same numbers, weights from files, a run from start to end."""

from __future__ import annotations

import pickle
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from lightning_fabric import Fabric
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.functional import normalize

from euinet.data.split.holdout import hold_out_classes
from euinet.detectors import Subject, score_detectors
from euinet.detectors.parts import Parts
from euinet.errors import StorageError, UsageError
from euinet.export.save import save_model
from euinet.model.card import ModelCard
from euinet.networks import to_network_range
from euinet.networks.euinet import EuiNet
from euinet.networks.torchvision_resnet import TorchvisionResNet
from euinet.presets import ModelSettings, Preset, get_preset
from euinet.records import Dataset, LabelledImages, Split
from euinet.scoring.comparison import euinet_decision
from euinet.scoring.inference import raw_scores, remember
from euinet.scoring.threshold import fit_logit_range
from euinet.trained.model import TrainedModel, load_trained
from euinet.training import loop
from euinet.training.loop import train
from euinet.training.players import build_players
from euinet.training.run import Trained


def network(name: str, classes: int = 5) -> nn.Module:
    """torchvision's own, with BatchNorm that does something."""
    torch.manual_seed(1)
    made = torchvision.models.get_model(name, weights=None, num_classes=classes).eval()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low, high in (
                (module.weight, 0.5, 1),
                (module.bias, -0.1, 0.1),
                (module.running_mean, -0.1, 0.1),
                (module.running_var, 0.5, 2),
            ):
                nn.init.uniform_(values, low, high)
    return made


@pytest.fixture(scope="session")
def resnet18() -> nn.Module:
    return network("resnet18")


@pytest.fixture(scope="session")
def weights(resnet18: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(resnet18.state_dict(), path)
    return path


# --- the same numbers ----------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_the_features_are_those_of_torchvision_s_network(
    name: str, tmp_path: Path, random_images: Callable[..., Tensor]
) -> None:
    theirs, path = network(name), tmp_path / "weights.pth"
    torch.save(theirs.state_dict(), path)
    trunk = TorchvisionResNet(name, 3, 40).eval()
    trunk.load_weights(path)
    seen: list[Tensor] = []
    for name_there in ("layer1", "layer2", "layer3", "layer4", "avgpool"):
        layer = theirs.get_submodule(name_there)
        layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output))

    images = random_images(3, 3, 40, 40)
    # ImageNet's mean and deviation, by torchvision's own function on 0 … 1
    theirs(normalize(images / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    found = trunk(to_network_range(images))
    *maps, pooled = seen
    assert len(found) == 4
    for mine, stage in zip(found, maps, strict=True):
        torch.testing.assert_close(mine, stage.mean(dim=(2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[-1], pooled.flatten(1), rtol=1e-4, atol=1e-5)
    assert trunk.feature_sizes == tuple(stage.shape[1] for stage in maps)
    assert min(stage.std() for stage in found) > 1e-3


@torch.no_grad()
def test_grey_is_the_same_as_its_repeated_colour(random_images: Callable[..., Tensor]) -> None:
    torch.manual_seed(0)
    trunk = TorchvisionResNet("resnet18", 1, 32, 6).eval()
    images = to_network_range(random_images(2, 1, 32, 32))
    for grey, colour in zip(trunk(images), trunk(images.expand(-1, 3, -1, -1)), strict=True):
        torch.testing.assert_close(grey, colour)


def test_two_channels_are_neither() -> None:
    with pytest.raises(UsageError, match="reads grey or colour images, 1 or 3 channels, not 2; leave"):
        TorchvisionResNet("resnet18", 2, 32)


@pytest.mark.parametrize(
    ("name", "size"), [("resnext50_32x4d", 33), ("wide_resnet50_2", 64), ("resnet34", 65), ("resnet18", 28)]
)
def test_sizes_fit_whatever_the_network_and_image(name: str, size: int) -> None:
    with torch.device("meta"):  # shapes alone
        trunk = TorchvisionResNet(name, 3, size, 7).eval()
        found = trunk(torch.zeros(2, 3, size, size))
        assert [len(stage) for stage in found] == [2] * 5
        assert tuple(stage.shape[1] for stage in found) == trunk.feature_sizes
    assert trunk.feature_sizes[-1] == 7


@torch.no_grad()
def test_the_embedding_reads_places() -> None:
    torch.manual_seed(0)
    trunk = TorchvisionResNet("resnet18", 1, 64, 6).eval()
    assert trunk.embed is not None
    maps = torch.rand(1, 512, 2, 2)
    assert (trunk.embed(maps) - trunk.embed(maps.flip(3))).abs().max() > 0.01


# --- weights from a file -------------------------------------------------------------------------


def test_safetensors_and_torch_files_are_the_same_and_leave_the_embedding_alone(
    resnet18: nn.Module, weights: Path, tmp_path: Path
) -> None:
    other = tmp_path / "resnet18.SAFETENSORS"
    save_file(resnet18.state_dict(), other)
    torch.manual_seed(0)
    one, two = (TorchvisionResNet("resnet18", 1, 32, 4) for _ in range(2))
    assert one.embed is not None
    before = {name: value.clone() for name, value in one.embed.state_dict().items()}
    one.load_weights(weights)
    two.load_weights(other)
    theirs = resnet18.state_dict()
    for name, value in two.state_dict().items():
        if name.startswith("embed."):
            assert torch.equal(one.state_dict()[name], before[name.removeprefix("embed.")])
        else:
            assert torch.equal(one.state_dict()[name], value)
    assert torch.equal(one.state_dict()["stages.2.1.conv2.weight"], theirs["layer3.1.conv2.weight"])
    assert torch.equal(one.state_dict()["stem.bn1.running_var"], theirs["bn1.running_var"])


def test_the_last_layer_does_not_matter_nor_do_old_files_without_counters(
    resnet18: nn.Module, tmp_path: Path
) -> None:
    path, state = tmp_path / "weights.pt", dict(resnet18.state_dict())
    for key in [key for key in state if key.startswith("fc.") or "num_batches" in key]:
        del state[key]
    for last in ({}, {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.full((1000,), torch.inf)}):
        torch.save(state | last, path)
        trunk = TorchvisionResNet("resnet18", 3, 32)
        trunk.load_weights(path)
        assert torch.equal(trunk.state_dict()["stem.conv1.weight"], state["conv1.weight"])


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return (Path.touch, (self.path,))


State = dict[str, Any]

CHANGES: dict[str, tuple[Callable[[State], Any], type[Exception], str]] = {
    "lacks": (
        lambda state: {key: value for key, value in state.items() if "layer2.0" not in key},
        UsageError,
        r"torchvision's resnet18: it lacks layer2\.0\.conv1\.weight and \d+ more; set model\.backbone",
    ),
    "has more": (
        lambda state: state | {"layer1.2.bias": torch.zeros(1)},
        UsageError,
        r"it also holds layer1\.2\.bias; set",
    ),
    "another shape": (
        lambda state: state | {"bn1.bias": torch.zeros(65)},
        UsageError,
        r"it has another shape for bn1\.bias; set",
    ),
    "a whole run": (
        lambda state: state | {"epoch": 90},
        UsageError,
        "save that of torchvision's resnet18 alone",
    ),
    "a list": (lambda state: list(state.values()), UsageError, "something else than a state dict"),
    "not finite": (
        lambda state: state | {"bn1.bias": torch.full((64,), torch.nan)},
        StorageError,
        r"bn1\.bias is not finite: copy the file anew",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_no_state_dict_of_the_network_is_a_sentence(
    change: str, resnet18: nn.Module, tmp_path: Path
) -> None:
    make, kind, sentence = CHANGES[change]
    torch.save(make(dict(resnet18.state_dict())), tmp_path / "weights.pth")
    trunk = TorchvisionResNet("resnet18", 3, 32)
    before = trunk.state_dict()["stem.conv1.weight"].clone()
    with pytest.raises(kind, match=sentence):
        trunk.load_weights(tmp_path / "weights.pth")
    assert torch.equal(trunk.state_dict()["stem.conv1.weight"], before)


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_a_missing_or_damaged_file_is_a_sentence(name: str, weights: Path, tmp_path: Path) -> None:
    trunk, path = TorchvisionResNet("resnet18", 3, 32), tmp_path / name
    for missing in (path, tmp_path):
        with pytest.raises(UsageError, match=r"There is no file .* training\.backbone_weights must name a"):
            trunk.load_weights(missing)
    for content in (b"", b"\x80\x04 no pickle", weights.read_bytes()[:100_000]):
        path.write_bytes(content)
        with pytest.raises(StorageError, match=r"weights.* cannot be read \(.*\): copy the file anew"):
            trunk.load_weights(path)


def test_a_pickled_model_is_not_to_be_copied_anew_but_saved_as_its_weights(tmp_path: Path) -> None:
    layer, path = nn.Linear(2, 2), tmp_path / "weights.pth"

    def saved(what: object) -> None:
        torch.save(what, path)

    def pickled(protocol: int) -> None:
        path.write_bytes(pickle.dumps(layer, protocol=protocol))

    for write in (
        lambda: saved(layer),
        lambda: saved({"state_dict": layer.state_dict(), "options": SimpleNamespace(epochs=3)}),
        lambda: pickled(2),
        lambda: pickled(4),
    ):
        write()
        with pytest.raises(
            StorageError, match=r"Python objects.*torch\.save\(model\.state_dict\(\)"
        ) as refused:
            TorchvisionResNet("resnet18", 3, 32).load_weights(path)
        assert "anew" not in str(refused.value)


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    touched, path = tmp_path / "executed", tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps({"trap": Trap(touched)}, protocol=2))
    for _ in range(2):
        with pytest.raises(StorageError, match=r"cannot be read \(UnpicklingError\)"):
            TorchvisionResNet("resnet18", 3, 32).load_weights(path)
        torch.save({"trap": Trap(touched)}, path)
    assert not touched.exists()


# --- from start to end ---------------------------------------------------------------------------


@pytest.fixture(scope="session")
def larger(dataset: Dataset) -> Split:
    """The four quadrants in 32 × 32 pixels; class 0 unknown."""

    def enlarged(part: LabelledImages) -> LabelledImages:
        return LabelledImages(part.images.repeat(4, axis=2).repeat(4, axis=3), part.labels)

    large = Dataset("quadrants", dataset.class_names, enlarged(dataset.train), enlarged(dataset.test))
    return hold_out_classes(large, [0], validation_fraction=0.3, calibration_fraction=0.1)


@pytest.fixture(scope="session")
def preset(weights: Path) -> Preset:
    """The default preset, in two steps."""
    changes = {
        "model.backbone": "resnet18",
        "training.backbone_weights": str(weights),
        "training.epochs": "1",
        "training.min_steps": "1",
        "training.batch_size": "8",
        "training.poses": "8",
        "disc.reals": "4",
        "disc.outliers": "3",
        "disc.mixtures": "4",
        "gan.batch_size": "4",
        "gan.generator": "dense",
        "gan.width": "4",
    }
    return get_preset("default", changes)


@pytest.fixture(scope="module")
def trained(
    larger: Split, preset: Preset, fabric: Fabric, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    return train(larger, preset, 0, tmp_path_factory.mktemp("whole"), fabric, quiet=True)


def test_the_default_preset_trains_it_and_the_model_s_folder_is_all_that_is_needed(
    trained: Trained, larger: Split, preset: Preset, resnet18: nn.Module, tmp_path: Path
) -> None:
    learned = trained.model.state_dict()
    for theirs, ours in (("conv1.weight", "stem.conv1.weight"), ("layer4.1.bn2.bias", "stages.3.1.bn2.bias")):
        start, now = resnet18.state_dict()[theirs], learned[f"trunk.{ours}"]
        assert 0 < (now - start).abs().max() < 5e-4  # two steps, each at most a tenth of 2e-3
    half = learned["trunk.stages.0.0.conv1.weight"]
    assert torch.equal(half, half.half().float())
    assert {"class_loss", "pose_loss"} <= set(trained.history[-1])

    raw = raw_scores(trained.model, larger.validation.images, preset.scoring)
    logit_range = fit_logit_range(raw, preset.scoring)
    # the weights that it started from need not be there any more
    training = preset.training.model_copy(update={"backbone_weights": "gone.pth"})
    card = ModelCard(
        data=larger.dataset,
        class_names=larger.class_names,
        known_classes=larger.known_classes,
        unknown_classes=larger.unknown_classes,
        channels=1,
        image_size=32,
        seed=0,
        logit_range=logit_range,
        preset=preset.model_copy(update={"training": training}),
        metrics={},
    )
    save_model(TrainedModel(trained.model, card), tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_size < 2.2 * 11.5e6  # 11.5 million weights in float16
    loaded = load_trained(tmp_path)
    images = larger.test.images
    one, two = (
        euinet_decision(model, images, preset.scoring, loaded.card.logit_range)
        for model in (trained.model, loaded.network)
    )
    # The same weights, bit for bit, but after training they lie channels last, and processors may then sum in
    # another order: the scores are equal but for rounding.
    read = loaded.network.state_dict()
    assert read.keys() == learned.keys()
    assert all(torch.equal(read[name], weight) for name, weight in learned.items())
    np.testing.assert_allclose(two.ood_score, one.ood_score, rtol=0, atol=1e-4 * np.abs(one.ood_score).max())
    assert np.array_equal(one.labels, two.labels)


def test_ctrl_c_and_resume_give_the_same_bits(
    trained: Trained,
    larger: Split,
    preset: Preset,
    fabric: Fabric,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    step = loop.train_step

    def interrupted(*arguments: Any) -> dict[str, Tensor]:
        signal.raise_signal(signal.SIGINT)
        return step(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(larger, preset, 0, tmp_path, fabric, quiet=True)
    resumed = train(larger, preset, 0, tmp_path, fabric, resume=True, quiet=True)
    assert resumed.history == trained.history
    for name, value in trained.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value), name


def test_what_came_from_the_file_learns_more_slowly(
    larger: Split, preset: Preset, fabric: Fabric, resnet18: nn.Module
) -> None:
    def players(**changes: Any) -> tuple[EuiNet, list[dict[str, Any]]]:
        training = preset.training.model_copy(update=changes)
        built = build_players(larger, preset.model_copy(update={"training": training}), 0, fabric)
        return built.plain_model(), built.model_optimizer.param_groups  # type: ignore[return-value]

    model, (new, loaded) = players(backbone_rate=0.25)
    assert (new["lr"], loaded["lr"]) == (2e-3, 5e-4)
    assert sum(map(torch.numel, loaded["params"])) == sum(
        weight.numel() for name, weight in resnet18.named_parameters() if not name.startswith("fc.")
    )
    parts = (model.trunk.embed, model.classifier, model.pose_head, model.discriminator)
    assert {id(weight) for weight in new["params"]} == {
        id(weight) for part in parts if part is not None for weight in part.parameters()
    }
    # nothing is slow where all weights are random
    model, (every,) = players(backbone_weights="")
    assert every["lr"] == 2e-3
    assert len(every["params"]) == len(list(model.parameters()))


# --- detectors -----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[0, 8], ids=["averaged", "embedded"])
def subject(request: pytest.FixtureRequest, larger: Split, preset: Preset, weights: Path) -> Subject:
    settings = ModelSettings(
        backbone="resnet18", disc_input="evidence", embedding=request.param, memory_per_class=4
    )
    torch.manual_seed(0)
    model = EuiNet(settings, (1, 32, 32), 3).eval()
    assert isinstance(model.trunk, TorchvisionResNet)
    model.trunk.load_weights(weights)
    remember(model, larger.train)
    raw = raw_scores(model, larger.validation.images, preset.scoring)
    logit_range = fit_logit_range(raw, preset.scoring)
    return Subject(model, None, preset.scoring, logit_range, larger.train, larger.validation)


@torch.no_grad()
def test_the_taken_apart_network_says_what_the_whole_says(subject: Subject, larger: Split) -> None:
    parts, close = Parts.of(subject), {"rtol": 1e-4, "atol": 1e-5}
    images = to_network_range(larger.test.images[:8])
    whole, stages = subject.model(images), subject.model.trunk(images)
    assert not any(isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d) for m in parts.model.modules())
    torch.testing.assert_close(parts.classifier(images), whole.class_logits, **close)
    torch.testing.assert_close(parts.map_head(parts.backbone(images)), whole.class_logits, **close)
    found = images
    for layer, stage in zip(parts.all_layers, stages, strict=True):
        found = layer(found)
        torch.testing.assert_close(found.mean(dim=(2, 3)), stage, **close)


def test_detectors_of_every_kind_score_it(subject: Subject, larger: Split) -> None:
    """One of each way to read a network; alone in its batch an image has the score it has among others."""
    names = ["EuiNet", "MaxLogit", "KNN", "ReAct", "ASH-S", "Gram", "MultiMahalanobis", "ODIN", "NACUE"]
    names += ["GradNorm", "MahalanobisODIN"]
    images = larger.test.images[:6]
    scored = score_detectors(subject, {"all": images, "one": images[:1]}, names).scores
    for name in names:
        among, alone = scored["all"][name], scored["one"][name]
        assert among.std() > 0, name
        np.testing.assert_allclose(alone, among[:1], rtol=1e-3, atol=1e-4 * np.abs(among).max(), err_msg=name)


def test_images_are_not_changed(random_images: Callable[..., Tensor]) -> None:
    """torchvision's layers work in place: not on what they are given."""
    torch.manual_seed(0)
    trunk = TorchvisionResNet("resnet18", 3, 32).eval()
    images = to_network_range(random_images(2, 3, 32, 32)).requires_grad_()
    before = images.detach().clone()
    F.softplus(trunk(images)[-1]).sum().backward()
    assert torch.equal(images.detach(), before)
    assert images.grad is not None
    assert images.grad.abs().max() > 0
