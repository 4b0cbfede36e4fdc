"""A backbone small enough for tests, folders of images for it, and a model that stands on it."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from euinet.answers import PixelArray
from euinet.data.embedded.dataset import embed_dataset
from euinet.data.split.holdout import split_dataset
from euinet.export.save import save_model
from euinet.images.preprocessing import Preprocessing
from euinet.model.backbone import OnnxEmbedder
from euinet.model.card import BackboneCard
from euinet.model.frozen import FrozenBackbone
from euinet.model.known import save_known
from euinet.model.model import Model
from euinet.records import Split
from vectors import WIDTH, nearest_means, vector_preset

SIDE = 8
COLOURS = {"bird": (200, 40, 40), "cat": (40, 200, 40), "dog": (40, 40, 200), "fox": (210, 210, 40)}
WEIGHTS = np.random.default_rng(3).normal(size=(3 * SIDE * SIDE, WIDTH)).astype(np.float32) / 1000


def backbone_graph(output: str = "embedding", weights: np.ndarray = WEIGHTS) -> bytes:
    """A graph that casts images (N, 3, 8, 8), flattens them and multiplies by `weights`."""
    nodes = [
        helper.make_node("Cast", ["images"], ["backbone/cast"], "backbone/1", to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["backbone/cast"], ["backbone/flat"], "backbone/2", axis=1),
        helper.make_node("MatMul", ["backbone/flat", "backbone/weights"], [output], "backbone/3"),
    ]
    graph = helper.make_graph(
        nodes,
        "backbone",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", weights.shape[1]])],
        [numpy_helper.from_array(weights, "backbone/weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    written: bytes = model.SerializeToString()
    return written


def embedded(images: PixelArray) -> np.ndarray:
    """What that graph gives, by NumPy: (N, WIDTH)."""
    found: np.ndarray = images.reshape(len(images), -1).astype(np.float32) @ WEIGHTS
    return found


@cache
def toy_backbone() -> FrozenBackbone:
    """That graph as a backbone."""
    content = backbone_graph()
    card = BackboneCard("toy", "drawn at random", hashlib.sha256(content).hexdigest())
    return FrozenBackbone(content, card, Preprocessing(3, SIDE))


def draw_images(count: int, colour: tuple[int, int, int], seed: int) -> PixelArray:
    """Images (count, 3, 8, 8) of one colour, and noise that tells one from another."""
    noise = np.random.default_rng(seed).integers(-30, 31, (count, 3, SIDE, SIDE))
    return np.clip(np.array(colour).reshape(3, 1, 1) + noise, 0, 255).astype(np.uint8)


def write_images(folder: Path, images: PixelArray) -> Path:
    """Write images (N, 3, H, W) as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{number:03}.png")
    return folder


def image_folder(root: Path, each: int, seed: int, classes: tuple[str, ...] = tuple(COLOURS)) -> Path:
    """Write `each` images of every class below `root`, a folder a class."""
    for place, name in enumerate(classes):
        write_images(root / name, draw_images(each, COLOURS[name], 100 * seed + place))
    return root


def backbone_split(data: Path, cache_root: Path) -> Split:
    """The features of a folder's images, foxes unknown."""
    backbone = toy_backbone()
    embedder = OnnxEmbedder(backbone.content, backbone.preprocessing)
    dataset = embed_dataset(data, embedder, cache_root=cache_root)
    return split_dataset(dataset, ["fox"], vector_preset().data, 0)


def save_backed(data: Path, cache_root: Path, folder: Path, **settings: str) -> Model:
    """Write a model on that backbone that knows birds, cats and dogs: nothing was trained.

    `settings` of its preset are for those who train it anew.
    """
    split = backbone_split(data, cache_root)
    saved = save_model(nearest_means(split, vector_preset(**settings), toy_backbone()), folder)
    save_known(split, folder)
    return saved
