"""What computes features, as this room sees it; the one of onnxruntime is `model/backbone.py`."""

from typing import Protocol

from euinet.answers import Float32Array, PixelArray
from euinet.images.preprocessing import Preprocessing


class Embedder(Protocol):
    """A frozen network: pixels in, features out; the same for the same pixels, whatever is beside them."""

    @property
    def width(self) -> int:
        """F, the numbers that it makes of an image."""

    @property
    def digest(self) -> str:
        """Hexadecimal digits that no other network has."""

    @property
    def preprocessing(self) -> Preprocessing:
        """How it wants image files to be read."""

    def embed(self, pixels: PixelArray) -> Float32Array:
        """Return features (B, F) of images (B, C, S, S)."""
