"""The small digits inside scikit-learn, in MNIST's geometry: real images without any download.

Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, 1998,
https://archive.ics.uci.edu/dataset/80
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from euinet.answers import Float32Array
from euinet.data.split.stratify import stratified_positions
from euinet.records import LabelledImages
from euinet.system.extras import needed_for

TEST_FRACTION = 0.2
SPLIT_SEED = 0
# MNIST's digits fill 20 × 20 of 28 × 28 pixels; so do these, so that one model fits both.
DIGIT_SIZE = 20
MARGIN = 4
_DARKEST = 16  # load_digits gives 0 … 16


def load_digits() -> tuple[LabelledImages, LabelledImages]:
    """Return 1,438 training and 359 test images, (N, 1, 28, 28), always the same ones.

    Raises UsageError without scikit-learn.
    """
    with needed_for("The data set digits"):
        import sklearn.datasets

    bunch = sklearn.datasets.load_digits()
    small = bunch.images.astype(np.float32) * np.float32(255 / _DARKEST)  # (N, 8, 8)
    resized = np.rint(_enlarged(small, DIGIT_SIZE)).astype(np.uint8)
    images = np.pad(resized, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)))[:, None]  # (N, 1, 28, 28)
    labels = bunch.target.astype(np.int64)
    everything = LabelledImages(images, labels)
    names = [str(digit) for digit in range(10)]
    train, test = stratified_positions(labels, range(10), names, (TEST_FRACTION,), SPLIT_SEED)
    return everything.where(train), everything.where(test)


def digits_folder() -> Path:
    """Return the folder inside scikit-learn that holds these images. Raises UsageError without it."""
    with needed_for("The data set digits"):
        import sklearn.datasets

    return Path(sklearn.datasets.__file__).parent / "data"


def has_digits() -> bool:
    """Return whether scikit-learn, which holds the images, is installed."""
    try:
        return find_spec("sklearn") is not None
    except ValueError:  # sys.modules holds None in its place
        return False


def _enlarged(images: Float32Array, side: int) -> Float32Array:
    """Return square images (N, S, S) bilinearly enlarged to (N, side, side).

    The operations are those of torch's `interpolate` (align_corners=False) in its order: float32 with fused
    multiply-adds, here by way of float64. Many results lie halfway between two grey levels, so another order
    would round them to other pixels, and models know this data set by its fingerprint.
    """
    small = images.shape[1]
    at = ((np.arange(side) + 0.5) * float(np.float32(small / side)) - 0.5).astype(np.float32).clip(0)
    low = at.astype(np.int64)
    share = at - low.astype(np.float32)
    ends = ((1 - share, low), (share, np.minimum(low + 1, small - 1)))
    corners = [(np.outer(down, right), images[:, y][:, :, x]) for down, y in ends for right, x in ends]
    total = np.zeros((len(images), side, side), np.float32)
    for corner in (1, 0, 2, 3):
        weights, values = corners[corner]
        total = (weights.astype(np.float64) * values + total).astype(np.float32)
    return total
