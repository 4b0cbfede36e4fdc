"""The small digits inside scikit-learn, in MNIST's geometry: real images without any download.

Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, 1998,
https://archive.ics.uci.edu/dataset/80
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F

from euinet.data.split.stratify import stratified_positions
from euinet.records import LabelledImages

TEST_FRACTION = 0.2
SPLIT_SEED = 0
# MNIST's digits fill 20 × 20 of 28 × 28 pixels; so do these, so that one model fits both.
DIGIT_SIZE = 20
MARGIN = 4
_DARKEST = 16  # load_digits gives 0 … 16


def load_digits() -> tuple[LabelledImages, LabelledImages]:
    """Return 1,438 training and 359 test images, (N, 1, 28, 28), always the same ones."""
    import sklearn.datasets

    bunch = sklearn.datasets.load_digits()
    small = torch.from_numpy(bunch.images).float().unsqueeze(1) * (255 / _DARKEST)  # (N, 1, 8, 8)
    resized = F.interpolate(small, (DIGIT_SIZE, DIGIT_SIZE), mode="bilinear")
    images = F.pad(resized.round().to(torch.uint8), (MARGIN,) * 4)  # (N, 1, 28, 28)
    labels = torch.from_numpy(bunch.target).to(torch.int64)
    everything = LabelledImages(images, labels)
    names = [str(digit) for digit in range(10)]
    train, test = stratified_positions(labels, range(10), names, (TEST_FRACTION,), SPLIT_SEED)
    return everything.where(train), everything.where(test)


def digits_folder() -> Path:
    """Return the folder inside scikit-learn that holds these images."""
    import sklearn.datasets

    return Path(sklearn.datasets.__file__).parent / "data"
