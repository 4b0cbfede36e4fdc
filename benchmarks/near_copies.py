"""What the search for near copies finds, and what it takes for a copy that is none (judging/near_copies.py).

    python benchmarks/near_copies.py                   # MNIST and a bundled model: two minutes

Calibration images beside all images that the model learned from are different images: what is found among
them is wrong. Then copies of 500 learned images: recompressed as JPEG, and stored at another size and brought
back.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from euinet.data.sets.datasets import load_dataset
from euinet.data.split.holdout import split_dataset
from euinet.judging.near_copies import find_near_copies
from euinet.model.opening import load

COPIES = 500


def recompressed(quality: int, image: np.ndarray) -> np.ndarray:
    """Return a grey image (H, W) after a JPEG file of this quality."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def resized(side: int, image: np.ndarray) -> np.ndarray:
    """Return a grey image (H, W) that was stored with another side."""
    other = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(other.resize(image.shape, Image.Resampling.BILINEAR))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="mnist-without-4")
    parser.add_argument("--data-root", type=Path)
    arguments = parser.parse_args()
    model = load(arguments.model)
    card = model.card
    split = split_dataset(
        load_dataset(card.data, arguments.data_root), card.unknown_classes, card.preset.data, card.seed
    )
    learned = np.concatenate([split.train.images, split.validation.images])
    features = model.features(learned)

    def found(held: np.ndarray) -> int:
        return len(find_near_copies(held, model.features(held), learned, features))

    held = split.calibration.images
    print(f"different images: {found(held)} of {len(held)} beside {len(learned)}", flush=True)
    ways: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        **{f"JPEG, quality {quality}": partial(recompressed, quality) for quality in (95, 85, 75, 60, 40)},
        **{f"stored at {side} × {side}": partial(resized, side) for side in (84, 56, 42, 20)},
    }
    for name, way in ways.items():
        copies = np.stack([way(image[0])[None] for image in learned[:COPIES]])
        print(f"{name}: {found(copies)} of {COPIES}", flush=True)


if __name__ == "__main__":
    main()
