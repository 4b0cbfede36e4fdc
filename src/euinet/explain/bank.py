"""The training images that the network finds most alike, by what its classifier reads of them.

The distance is 1 − cosine of the two images' features, 0 … 2 (0 … 1 after a ReLU): the *direction* of the
features says what is seen, their length how strongly. It is the distance to single images that the model's
own memory uses (networks/memory.py; Sun et al. 2022, "Out-of-Distribution Detection with Deep Nearest
Neighbors"), so what the page shows as near is near for the decision too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from euinet.answers import IntArray, PixelArray
from euinet.data.split.stratify import turn_by_turn
from euinet.model.model import Model
from euinet.system.notify import Notify

MOST_IMAGES = 2000  # of a bank, equally many a class: 2 MB in a static page of 28 × 28 images
SHOWN = 8  # neighbours of an image


class Neighbour(NamedTuple):
    """A training image near to another."""

    label: str  # a class's name
    distance: float  # 1 − cosine of the features, 0 … 2
    pixels: npt.NDArray[np.uint8]  # (C, H, W)


@dataclass(frozen=True, eq=False)
class NeighbourBank:
    """Known training images with their features, M of them."""

    class_names: tuple[str, ...]
    images: npt.NDArray[np.uint8]  # (M, C, H, W)
    labels: npt.NDArray[np.int64]  # (M,), 0 … K−1
    features: npt.NDArray[np.float32]  # (M, F), of length 1, rounded to what float16 holds

    @staticmethod
    def of(model: Model, images: PixelArray, labels: IntArray, most: int = MOST_IMAGES) -> NeighbourBank:
        """Return the bank of uint8 images (M, C, H, W) with labels (M,), 0 … K−1.

        Of more than `most` images the first of each class are taken, the classes in turn. Features are read
        of the perturbed images, as the decision reads them.
        """
        chosen = turn_by_turn(labels)[:most]
        images, labels = images[chosen], labels[chosen]
        features = model.features(images)
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
        # halves, so that the files of a static page hold the very same numbers in half the space
        rows = (features / np.maximum(lengths, 1e-12)).astype(np.float16).astype(np.float32)
        return NeighbourBank(model.class_names, images, labels, rows)

    def __len__(self) -> int:
        return len(self.labels)

    def nearest(self, features: npt.NDArray[np.float32], count: int = SHOWN) -> list[list[Neighbour]]:
        """Return for features (N, F) of any length the `count` nearest images each, nearest first."""
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
        distances = 1 - (features / np.maximum(lengths, 1e-12)) @ self.features.T  # (N, M)
        order = np.argsort(distances, axis=1, kind="stable")[:, :count]
        return [
            [Neighbour(self.class_names[self.labels[at]], float(row[at]), self.images[at]) for at in places]
            for row, places in zip(distances, order, strict=True)
        ]


def load_bank(
    model: Model,
    data_root: Path | None = None,
    *,
    data: str | None = None,
    most: int = MOST_IMAGES,
    notify: Notify = lambda _: None,
) -> NeighbourBank | None:
    """Return the bank of the training part of the data that `model` was trained on, where they are at hand.

    `data` is the data's name or folder; without it, the name on the model's card. None, with a sentence to
    `notify`, when they are not there or are other images: nothing is ever downloaded.
    """
    from euinet.data.sets.datasets import is_at_hand, load_for_model
    from euinet.data.split.fingerprint import dataset_fingerprint
    from euinet.data.split.holdout import split_dataset
    from euinet.judging.material import in_model_names

    card, name = model.card, data or model.card.data
    if most < 1:
        return None
    if card.width:
        notify("Nearest training images are shown of models that learned from pixels, not of this one.")
        return None
    if not is_at_hand(name, data_root):
        notify(f"The training data {name} are not at hand, so no nearest training images are shown.")
        return None
    dataset = load_for_model(name, card.channels, card.preprocessing.square, data_root)
    if card.data_fingerprint not in (None, dataset_fingerprint(dataset)):
        notify(f"{name} holds other images than the model was trained on, so none of them are shown.")
        return None
    dataset = in_model_names(card, dataset)
    if not set(card.class_names) <= set(dataset.class_names):
        notify(f"{name} has other classes than the model, so none of its images are shown.")
        return None
    unknown = [name for name in dataset.class_names if name not in card.class_names]
    split = split_dataset(dataset, unknown, card.preset.data, card.seed)
    return NeighbourBank.of(model, split.train.images, split.train.labels, most)
