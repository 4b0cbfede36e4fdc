"""Near copies across the wall: recompressed or resized images, which pixels compared one by one do not show.

The network's own features say which learned image is nearest; the pixels of that pair decide. What is found
so, and what is taken for a copy and is none: benchmarks/near_copies.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from euinet.answers import FloatArray, IntArray, PixelArray
from euinet.records import Split
from euinet.system.files import write_atomically
from euinet.system.notify import Notify

NEAR_COPIES_FILE = "near-copies.png"
ALIKE = 0.99  # correlation of two images' pixels
_AT_A_TIME = 256  # images compared with all learned ones: their similarities are in memory
SHOWN = 24  # pairs in a picture
_SCALE = 3  # pixels of the picture for each of an image


@dataclass(frozen=True, eq=False)
class NearCopies:
    """Pairs of a held-back and a learned image that look the same, the most alike first; M of them."""

    held: IntArray  # (M,) places among the held-back images
    learned: IntArray  # (M,) places among the learned images

    def __len__(self) -> int:
        return len(self.held)


def find_near_copies(
    held: PixelArray, held_features: FloatArray, learned: PixelArray, learned_features: FloatArray
) -> NearCopies:
    """Return the pairs among held-back images (N, C, H, W) and learned ones (L, C, H, W) that look the same.

    Features are (N, F) and (L, F). Of each held-back image only the learned one of the nearest features, by
    their angle, is looked at.
    """
    near, towards = _unit(held_features), _unit(learned_features)
    places = np.concatenate(
        [np.empty(0, np.int64)]
        + [
            (near[start : start + _AT_A_TIME] @ towards.T).argmax(axis=1)
            for start in range(0, len(near) if len(towards) else 0, _AT_A_TIME)
        ]
    )
    alike = (_centred(held[: len(places)]) * _centred(learned[places])).sum(axis=1)
    found = np.flatnonzero(alike >= ALIKE)
    found = found[np.argsort(-alike[found], kind="stable")]
    return NearCopies(found, places[found])


def tell_near_copies(
    features: Callable[[PixelArray], FloatArray], split: Split, folder: Path, notify: Notify
) -> dict[str, int]:
    """Count the images of a split held back that look like one learned from, and show them in a picture.

    `features` is the network's, of images (N, C, H, W): (N, F). Returns how many `calibration` images there
    are, how many known images of the `test`, and how many `unknown` ones. Raises StorageError.
    """
    learned = np.concatenate([split.train.images, split.validation.images])
    held = np.concatenate([split.calibration.images, split.test.images])
    kinds = np.concatenate([np.zeros(len(split.calibration), int), np.where(split.test.labels >= 0, 1, 2)])
    pairs = find_near_copies(held, features(held), learned, features(learned))
    total, counts = (np.bincount(kind, minlength=3).tolist() for kind in (kinds, kinds[pairs.held]))
    found = dict(zip(("calibration", "test", "unknown"), counts, strict=True))
    if len(pairs):
        with write_atomically(folder / NEAR_COPIES_FILE) as temporary:
            Image.fromarray(picture(pairs, held, learned)).save(temporary, "PNG")
        notify(
            f"{counts[0]} of {total[0]} calibration images, {counts[1]} of {total[1]} known and {counts[2]} "
            f"of {total[2]} unknown test images look like near copies of learned ones: see "
            f"{folder / NEAR_COPIES_FILE}. Where they are, the promise holds less and the measures are "
            "untrue: keep one of each."
        )
    return found


def picture(pairs: NearCopies, held: PixelArray, learned: PixelArray) -> PixelArray:
    """Return SHOWN pairs as one picture (H, W, 3): held-back images above, what was learned below them."""
    rows = [held[pairs.held[:SHOWN]], learned[pairs.learned[:SHOWN]]]
    tall = [np.concatenate(list(_framed(row)), axis=1) for row in rows]
    return np.concatenate(tall, axis=0)


def _framed(images: PixelArray) -> PixelArray:
    """Return images as (M, H, W, 3), enlarged, with a white edge."""
    coloured = np.broadcast_to(images, (len(images), 3, *images.shape[2:])).transpose(0, 2, 3, 1)
    large = coloured.repeat(_SCALE, axis=1).repeat(_SCALE, axis=2)
    return np.pad(large, [(0, 0), (2, 2), (2, 2), (0, 0)], constant_values=255)


def _unit(rows: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: FloatArray = (rows / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)
    return unit


def _centred(images: PixelArray) -> FloatArray:
    """Return each image's pixels less their mean, of length 1: their products are correlations."""
    rows = images.reshape(len(images), np.prod(images.shape[1:], dtype=int)).astype(np.float32)
    return _unit(rows - rows.mean(axis=1, keepdims=True))
