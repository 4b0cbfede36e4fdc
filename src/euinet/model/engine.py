"""Who computes a decision: onnxruntime on the processor. (On a GPU it is torch: export/engine.py.)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from euinet.answers import REJECT
from euinet.errors import StorageError, UsageError
from euinet.model.conformal import Calibration
from euinet.model.decision_file import EMBEDDING, IMAGES, KEY, OUTPUTS, Description, read_description
from euinet.system.words import quoted

Outputs = dict[str, np.ndarray]
_FATAL = 4  # onnxruntime's severity: what goes wrong is raised, not printed
_NUMBERS, _WHOLE = "tensor(float)", "tensor(int64)"


class Engine(Protocol):
    """Something that computes the outputs of a decision file."""

    device: str  # cpu, cuda or mps
    description: Description

    def run(self, pixels: np.ndarray, names: Sequence[str]) -> Outputs:
        """Return outputs by name for uint8 images (N, C, H, W) in the model's size, or embeddings (N, F)."""

    def calibrated(self, content: bytes, description: Description, calibration: Calibration) -> Engine:
        """Return the engine of the same network with another calibration; `content` is its file."""


class OnnxEngine:
    """A decision file's content in onnxruntime.

    Raises UsageError when it is no exported EuiNet, StorageError when it is damaged, contradicts itself or
    has another format. `name` is what errors call it; `threads`: None lets onnxruntime take all cores.
    """

    device = "cpu"

    def __init__(self, content: bytes, name: str, threads: int | None = None) -> None:
        self._name, self._threads = name, threads
        self._session = _session(content, name, threads)
        try:
            text = self._session.get_modelmeta().custom_metadata_map.get(KEY)
            description = None if text is None else _checked(self._session, text)
        except StorageError:
            raise
        except Exception as error:  # whatever a hostile description leads to
            raise damaged(name, error) from error
        if description is None:
            raise UsageError(f"{name} is an ONNX file, but none that `euinet export` wrote.")
        self.description = description
        self._classes = len(self.description.card.class_names)

    def run(self, pixels: np.ndarray, names: Sequence[str]) -> Outputs:
        """Return outputs by name for uint8 images (N, C, H, W) in the model's size, or embeddings (N, F).

        Raises StorageError when the file answers what no model can.
        """
        try:
            values = self._session.run(list(names), {self.description.input: np.ascontiguousarray(pixels)})
            found = dict(zip(names, values, strict=True))
            _check_answers(found, len(pixels), self._classes)
        except Exception as error:  # a graph may fail in any way at any operation
            raise damaged(self._name, error) from error
        return found

    def calibrated(self, content: bytes, description: Description, calibration: Calibration) -> OnnxEngine:
        """Return the engine of another decision file."""
        return OnnxEngine(content, self._name, self._threads)


def damaged(file: str, error: Exception) -> StorageError:
    """Return the sentence for a decision file that cannot be believed."""
    # onnxruntime quotes what stands in the file, and that must not steer a terminal
    what = quoted(error)
    return StorageError(f"The exported model {file} is damaged ({what}); copy it anew or export it again.")


def _session(content: bytes, name: str, threads: int | None) -> Any:
    import onnxruntime  # a tenth of a second that listing models does without

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        # without its fallback: it would say on stdout that it tries the same once more
        return onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except Exception as error:  # onnxruntime has a kind for each way a file can be damaged
        raise damaged(name, error) from error


def _checked(session: Any, text: str) -> Description:
    """Return a file's description, if its graph is as described. Raises ValueError where it is not."""
    description = read_description(text)
    card, scores = description.card, len(description.card.class_names) + 1
    kind = "tensor(uint8)" if description.input == IMAGES else _NUMBERS
    inputs = [(given.name, given.type, given.shape[1:]) for given in session.get_inputs()]
    if inputs != [(description.input, kind, list(card.input_shape))]:
        raise ValueError("its input is not as described")
    wanted: dict[str, Any] = {name: (_NUMBERS, []) for name in OUTPUTS}
    wanted |= {
        "label": (_WHOLE, []),
        "best_class": (_WHOLE, []),
        "perturbed": (_NUMBERS, list(card.network_shape)),
    }
    wanted |= {name: (_NUMBERS, [scores]) for name in ("probabilities", "scores")}
    if card.backbone is not None:
        wanted[EMBEDDING] = (_NUMBERS, [card.width])
    found = {given.name: (given.type, given.shape[1:]) for given in session.get_outputs()}
    kind, features = found.pop("features", ("", []))
    del wanted["features"]
    if found != wanted or kind != _NUMBERS or len(features) != 1:
        raise ValueError("its outputs are not as described")
    return description


def _check_answers(found: Outputs, images: int, classes: int) -> None:
    """Raise ValueError where a graph answers otherwise than it declares, or names a class that is none."""
    for name, values in found.items():
        if name in ("perturbed", "features", EMBEDDING):
            fits = len(values) == images
        else:
            fits = values.shape == (
                (images, classes + 1) if name in ("probabilities", "scores") else (images,)
            )
        if not fits:
            raise ValueError(f"{name} has the shape {values.shape}")
    if {"label", "best_class"} <= found.keys():
        label, best = found["label"], found["best_class"]
        if ((best < 0) | (best >= classes)).any() or ((label != best) & (label != REJECT)).any():
            raise ValueError("it names classes that it lacks")
