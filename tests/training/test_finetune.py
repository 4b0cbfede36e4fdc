"""The last stages of a network opened for some epochs: what learns, what stays, going on where it stopped."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from backbones import COLOURS, draw_images
from euinet.data.embedded.contents import CellContent
from euinet.errors import TrainingError
from euinet.networks.pretrained import Pretrained
from euinet.system.notify import silent
from euinet.training import finetune as module
from euinet.training.devices import make_fabric
from euinet.training.finetune import finetune

SIDE, WIDTH, EACH = 8, 12, 40
CLASSES = ("bird", "cat", "dog")


def stage(before: int, after: int, stride: int = 1) -> nn.Sequential:
    first, second = nn.Conv2d(before, after, 3, stride, 1), nn.Conv2d(after, after, 3, 1, 1)
    return nn.Sequential(first, nn.BatchNorm2d(after), nn.ReLU(), second, nn.ReLU())


def network() -> Pretrained:
    """Five stages with statistics in their BatchNorms, drawn at random."""
    torch.manual_seed(0)
    stages = [stage(3, 6), stage(6, 6), stage(6, 8, 2), stage(8, 8), stage(8, WIDTH)]
    made = nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    made.train()(torch.randn(16, 3, SIDE, SIDE))
    mean = deviation = (0.5, 0.5, 0.5)
    return Pretrained("toy", made.eval(), mean, deviation, SIDE, SIDE, "bilinear", WIDTH, "random numbers")


def content(image: np.ndarray, name: str) -> CellContent:
    file = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(file, "png")
    return CellContent(name, file.getvalue())


def images() -> tuple[list[CellContent], np.ndarray]:
    contents, labels = [], []
    for label, name in enumerate(CLASSES):
        for at, image in enumerate(draw_images(EACH, COLOURS[name], seed=label)):
            contents.append(content(image, f"{name}-{at}"))
            labels.append(label)
    return contents, np.array(labels)


def tuned(folder: Path, epochs: int = 2, seed: int = 0, **changed: Any) -> tuple[Pretrained, list[str]]:
    contents, labels = images()
    told: list[str] = []
    options: dict[str, Any] = {"identity": {"data": "toy"}, "notify": told.append} | changed
    found = finetune(
        network(),
        options.pop("contents", contents),
        labels,
        len(CLASSES),
        epochs=epochs,
        seed=seed,
        folder=folder,
        fabric=make_fabric("cpu"),
        **options,
    )
    return found, told


def differ(one: dict[str, Tensor], other: dict[str, Tensor]) -> set[str]:
    return {name for name, value in one.items() if not torch.equal(value, other[name])}


def test_the_last_three_stages_learn_and_nothing_else(tmp_path: Path) -> None:
    before = network().network.state_dict()
    changed = differ(before, tuned(tmp_path)[0].network.state_dict())
    learned = {name for name in before if name[0] in "234" and name.endswith(("weight", "bias"))}
    assert changed == learned  # no statistics of BatchNorm (running_mean, running_var) among them


def test_what_it_learns_tells_the_classes_apart(tmp_path: Path) -> None:
    """The middles of the classes lie further apart, in units of the spread around them."""

    @torch.no_grad()
    def separation(found: Pretrained) -> float:
        shown = np.concatenate([draw_images(EACH, COLOURS[name], seed=50) for name in CLASSES])
        rows = found.network((torch.from_numpy(shown).float() / 255 - 0.5) / 0.5).view(3, EACH, WIDTH)
        middles = rows.mean(dim=1)
        return float(middles.var(dim=0).sum() / rows.var(dim=1).sum(dim=1).mean())

    assert separation(tuned(tmp_path, epochs=20)[0]) > 1.5 * separation(network())


def test_it_is_given_back_in_eval_mode_and_closed(tmp_path: Path) -> None:
    found = tuned(tmp_path, epochs=1)[0].network
    assert not any(part.training for part in found.modules())
    assert not any(parameter.requires_grad for parameter in found.parameters())


def test_interrupted_it_goes_on_and_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tuned(tmp_path / "whole", epochs=3)[0].network.state_dict()
    saved = module.save_checkpoint

    def save_and_die(folder: Path, state: dict[str, Any]) -> Any:
        saved(folder, state)
        if state["epoch"] == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "save_checkpoint", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            tuned(tmp_path / "parts", epochs=3)
    found, told = tuned(tmp_path / "parts", epochs=3)
    assert differ(whole, found.network.state_dict()) == set()
    assert not any("epoch 1/3" in line or "epoch 2/3" in line for line in told)  # only the third is left


def test_the_seed_decides(tmp_path: Path) -> None:
    one, same, other = (tuned(tmp_path / str(at), 1, seed)[0] for at, seed in enumerate((0, 0, 1)))
    state = one.network.state_dict()
    assert differ(state, same.network.state_dict()) == set()
    assert differ(state, other.network.state_dict()) != set()


def test_each_image_is_read_once_an_epoch_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[list[str]] = []
    read = module.read_blocks

    def watched(contents: Any, *others: Any) -> Any:
        asked = list(contents)
        shown.append([one.name for one in asked])
        return read(iter(asked), *others)

    monkeypatch.setattr(module, "read_blocks", watched)
    tuned(tmp_path, epochs=2)
    names = sorted(one.name for one in images()[0])
    assert [sorted(epoch) for epoch in shown] == [names, names]
    assert shown[0] != shown[1]  # in another order


def test_a_network_that_gives_no_numbers_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = network()
    with torch.no_grad():
        broken.network[4][0].weight.fill_(float("nan"))  # type: ignore[index]
    monkeypatch.setitem(globals(), "network", lambda: broken)
    with pytest.raises(TrainingError, match=r"^The loss of fine-tuning is no finite number: leave out --fi"):
        tuned(tmp_path, notify=silent)
