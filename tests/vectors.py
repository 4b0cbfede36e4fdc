"""A small world of embeddings: classes as clouds in WIDTH dimensions, and a model that learned them."""

from functools import cache

import numpy as np
import torch

from euinet.data.split.holdout import split_dataset
from euinet.export.save import runtime_model
from euinet.fitting import calibrated_model
from euinet.model.frozen import FrozenBackbone
from euinet.model.model import Model
from euinet.networks.euinet import EuiNet
from euinet.networks.vectors import VectorTrunk
from euinet.presets import Preset, get_preset
from euinet.records import Dataset, LabelledImages, Split
from euinet.trained.model import TrainedModel
from euinet.training.players import measure

WIDTH, NAMES = 6, ("coat", "hat", "shoe", "sock")


def vector_dataset(each: int = 60, seed: int = 0, names: tuple[str, ...] = NAMES) -> Dataset:
    """Rows (N, WIDTH) of float32 in units of their own, far from 0: each class around its own middle."""
    draw = np.random.default_rng(seed)
    middles = np.random.default_rng(1).normal(size=(len(names), WIDTH)) * 3

    def part(count: int) -> LabelledImages:
        labels = np.tile(np.arange(len(names)), count)
        rows = 50 + 10 * (middles[labels] + draw.normal(size=(len(labels), WIDTH)))
        return LabelledImages(rows.astype(np.float32), labels.astype(np.int64))

    return Dataset("clouds", names, part(each), part(each // 3))


def vector_preset(**settings: str) -> Preset:
    """The preset embeddings, with a small memory and few steps."""
    small = {"model.memory_per_class": "10", "model.disc_hidden": "8", "training.min_steps": "1"}
    return get_preset(
        "embeddings", small | {name.replace("__", "."): value for name, value in settings.items()}
    )


def vector_split(hold_out: tuple[str, ...] = ("sock",)) -> Split:
    """The rows parted; socks are unknown."""
    return split_dataset(vector_dataset(), hold_out, vector_preset().data, 0)


def nearest_means(split: Split, preset: Preset, backbone: FrozenBackbone | None = None) -> TrainedModel:
    """A network that was not trained, but for its classifier: the middle of each class speaks for it."""
    classes = len(split.class_names)
    rows, labels = np.asarray(split.train.images, np.float32), split.train.labels
    torch.manual_seed(0)
    network = EuiNet(preset.model, rows.shape[1:], classes)
    assert isinstance(network.trunk, VectorTrunk)
    measure(network, network.trunk, split, preset.training)
    with torch.no_grad():
        read = network.trunk(torch.from_numpy(rows))[0]
        means = torch.stack([read[labels == k].mean(dim=0) for k in range(classes)])
        network.classifier.weight.copy_(means)
        network.classifier.bias.copy_(-means.square().sum(dim=1) / 2)
    return calibrated_model(network.eval(), split, preset, 0, 0.1, backbone)


@cache
def vector_trained() -> TrainedModel:
    """Such a network of three classes of the small world."""
    return nearest_means(vector_split(), vector_preset())


@cache
def vector_model() -> Model:
    """That network as everybody uses it."""
    return runtime_model(vector_trained(), "clouds")
