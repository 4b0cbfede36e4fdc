"""Which images a model has learned from, as digests: they can neither calibrate nor judge it.

Six bytes an image, sorted, in `training-images.safetensors` beside the network, and in an exported file's
metadata. Images are compared as the model reads them, whatever their files are called.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from euinet.answers import BoolArray, Digests, PixelArray, StoredArray
from euinet.data.split.fingerprint import image_digests
from euinet.errors import StorageError, UsageError
from euinet.images.preprocessing import Preprocessing
from euinet.model.check import read_header
from euinet.records import LabelledImages, Split
from euinet.system.files import remove_file, write_bytes
from euinet.system.words import quoted

SEEN_FILE = "training-images.safetensors"
KEY = "euinet training images"  # among an exported file's metadata
_TENSOR = "digests"
_BYTES = 6  # of a digest: among 60,000 images a new one is taken for a copy once in 5,000 million
_CUT = np.uint64(8 * (8 - _BYTES))
MAX_FILE_BYTES = 2**30


@dataclass(frozen=True, eq=False)
class SeenImages:
    """Digests of the images that made a model: those it was trained on and those that set its ranges."""

    digests: Digests  # (n,), sorted, each once, below 2⁴⁸

    @staticmethod
    def of(split: Split) -> SeenImages:
        """Return the training and validation images of a split."""
        parts = (split.train, split.validation)
        return SeenImages(np.unique(np.concatenate([image_digests(part) for part in parts]) >> _CUT))

    def also(self, images: PixelArray, preprocessing: Preprocessing) -> SeenImages:
        """Return these and uint8 images (M, C, H, W) of any size, as a model reads them."""
        read = np.stack([preprocessing.fit(image).pixels for image in images])
        return SeenImages(np.union1d(self.digests, image_digests(read) >> _CUT))

    def __len__(self) -> int:
        return len(self.digests)

    def among(self, images: StoredArray | LabelledImages) -> BoolArray:
        """Return which of N images or embeddings, as the model reads them, it has learned from, (N,)."""
        return np.isin(image_digests(images) >> _CUT, self.digests)

    def all_among(self, images: StoredArray | LabelledImages) -> bool:
        """Return whether these images hold all that it has learned from."""
        return len(self) > 0 and bool(np.isin(self.digests, image_digests(images) >> _CUT).all())

    def check_new(self, images: StoredArray | LabelledImages, use: str) -> None:
        """Raise UsageError, with their number, where the model has learned from any of these images."""
        count = int(self.among(images).sum())
        if count:
            raise UsageError(
                f"The model was trained on {count:,} of these {len(images):,} images, by their pixels: it "
                f"knows them better than any that will come, so they cannot {use} it. Give images that it "
                "never saw."
            )

    def to_text(self) -> str:
        """Return the digests as text, for an exported file's metadata."""
        return base64.b64encode(self._array().tobytes()).decode("ascii")

    def _array(self) -> npt.NDArray[np.uint8]:
        whole = self.digests.astype(">u8").view(np.uint8).reshape(-1, 8)
        return np.ascontiguousarray(whole[:, 8 - _BYTES :])


def calibration_images(images: StoredArray | LabelledImages, seen: SeenImages | None) -> StoredArray:
    """Return images or embeddings (n, …) that may calibrate a model, of those with the same pixels one.

    A copy would count double, and the promise is of images drawn one by one. Raises UsageError where the
    model has learned from any.
    """
    if seen is not None:
        seen.check_new(images, "calibrate")
    once = np.sort(np.unique(image_digests(images), return_index=True)[1])
    return (images.images if isinstance(images, LabelledImages) else images)[once]


def save_seen(seen: SeenImages | None, folder: Path) -> None:
    """Write digests to a model's folder as one tensor, (n, 6) uint8; without any remove what is there.

    Raises StorageError.
    """
    from safetensors.numpy import save

    if seen is None:
        remove_file(folder / SEEN_FILE)
    else:
        write_bytes(folder / SEEN_FILE, save({_TENSOR: seen._array()}))


def from_text(text: str) -> SeenImages:
    """Return what `to_text` wrote. Raises ValueError for what it did not."""
    return _from_bytes(base64.b64decode(text, validate=True))


def load_seen(path: Path) -> SeenImages | None:
    """Return the digests in `path`, None where there is no such file. Raises StorageError if damaged."""
    from safetensors.numpy import load_file

    try:
        if not path.is_file():
            return None
        header = read_header(path)
        header.pop("__metadata__", None)
        entry = header.get(_TENSOR, {})
        if set(header) != {_TENSOR} or entry["dtype"] != "U8" or entry["shape"][1:] != [_BYTES]:
            raise ValueError("it holds other things than digests")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ValueError(f"it is larger than {MAX_FILE_BYTES} bytes")
        return _from_bytes(load_file(path)[_TENSOR].tobytes())
    except Exception as error:  # json, safetensors and the file system each have their own kinds
        what = quoted(error)
        raise StorageError(
            f"The digests of training images in {path} are damaged ({what}): copy the whole model anew."
        ) from error


def _from_bytes(content: bytes) -> SeenImages:
    if len(content) % _BYTES:
        raise ValueError(f"{len(content)} bytes are no digests of {_BYTES}")
    whole = np.zeros((len(content) // _BYTES, 8), np.uint8)
    whole[:, 8 - _BYTES :] = np.frombuffer(content, np.uint8).reshape(-1, _BYTES)
    digests = whole.view(">u8").reshape(-1).astype(np.uint64)
    if (digests[1:] <= digests[:-1]).any():
        raise ValueError("its digests are not in order")
    return SeenImages(digests)
