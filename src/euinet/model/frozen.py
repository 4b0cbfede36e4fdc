"""A frozen network that makes embeddings of images: its graph, and how images are read for it."""

from dataclasses import dataclass

from euinet.images.preprocessing import Preprocessing
from euinet.model.card import BackboneCard


@dataclass(frozen=True, eq=False)
class FrozenBackbone:
    """A backbone as models use it: no class of it is needed again, nor the package that it came from."""

    content: bytes  # its graph, ONNX: `images` uint8 (N, C, S, S) → `embedding` float32 (N, F)
    card: BackboneCard
    preprocessing: Preprocessing
