"""A frozen backbone in onnxruntime: an ONNX graph from uint8 images to their features."""

from typing import Any

import numpy as np

from euinet.answers import Float32Array, PixelArray
from euinet.errors import StorageError, UsageError
from euinet.images.preprocessing import Preprocessing
from euinet.model.onnx_part import OnnxPart
from euinet.system.words import quoted

IMAGES, EMBEDDING = "images", "embedding"
BATCH = 32  # images a pass: more leave the processor's cache
_FATAL = 4  # onnxruntime's severity: what goes wrong is raised, not printed


class OnnxEmbedder:
    """The content of a backbone's file, which computes features (an `Embedder` of data/embedded).

    The graph has one input `images`, uint8 (N, C, S, S) as `preprocessing` makes them, and one output
    `embedding`, float32 (N, F). `threads`: None lets onnxruntime take all cores. Raises UsageError for a file
    that is no such graph, StorageError for a damaged one.
    """

    def __init__(
        self,
        content: bytes,
        preprocessing: Preprocessing,
        threads: int | None = None,
        name: str = "The backbone",
    ) -> None:
        self.preprocessing, self._name = preprocessing, name
        self._session = _session(content, name, threads)
        self.digest = _digest(content, name)
        self.width = self._checked_width()

    def embed(self, pixels: PixelArray) -> Float32Array:
        """Return features (B, F) of uint8 images (B, C, S, S), any number, BATCH at a time.

        Raises StorageError when the graph fails or answers otherwise than it declares.
        """
        parts = [self._run(pixels[start : start + BATCH]) for start in range(0, len(pixels), BATCH)]
        return np.concatenate(parts) if parts else np.empty((0, self.width), np.float32)

    def _run(self, pixels: PixelArray) -> Float32Array:
        try:
            (found,) = self._session.run([EMBEDDING], {IMAGES: np.ascontiguousarray(pixels)})
            if found.shape != (len(pixels), self.width):
                raise ValueError(f"its features have the shape {found.shape}")
        except Exception as error:  # a graph may fail in any way at any operation
            raise _damaged(self._name, error) from error
        features: Float32Array = found
        return features

    def _checked_width(self) -> int:
        side = self.preprocessing.image_size
        inputs = [(one.name, one.type, list(one.shape[1:])) for one in self._session.get_inputs()]
        outputs = {one.name: (one.type, list(one.shape[1:])) for one in self._session.get_outputs()}
        kind, shape = outputs.get(EMBEDDING, ("", []))
        wanted = [(IMAGES, "tensor(uint8)", [self.preprocessing.channels, side, side])]
        if inputs != wanted or kind != "tensor(float)" or len(shape) != 1 or not isinstance(shape[0], int):
            raise UsageError(
                f"{self._name} reads {inputs} and gives {outputs}, but must read {wanted} and give "
                f"'{EMBEDDING}', float32 (N, F): give the file of a backbone for images of this size."
            )
        return int(shape[0])


def _digest(content: bytes, name: str) -> str:
    """Return the digest of what a graph computes: the same out of a decision file as before it was in one.

    So what was computed before a model was trained need not be computed again to judge it.
    """
    try:
        return OnnxPart(content).graph_digest()
    except Exception as error:  # protobuf's DecodeError has no home in typed code
        raise _damaged(name, error) from error


def _session(content: bytes, name: str, threads: int | None) -> Any:
    import onnxruntime  # a tenth of a second that other commands do without

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    # those who decode the next images need the processor while a thread of the graph waits for the others
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        # without its fallback: it would say on stdout that it tries the same once more
        return onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except Exception as error:  # onnxruntime has a kind for each way a file can be damaged
        raise _damaged(name, error) from error


def _damaged(name: str, error: Exception) -> StorageError:
    return StorageError(f"{name} is damaged ({quoted(error)}): copy it anew or export it again.")
