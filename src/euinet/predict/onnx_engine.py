"""The engine that runs an exported model: NumPy and onnxruntime, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from euinet.answers import REJECT, Answers, FloatArray
from euinet.errors import StorageError, UsageError
from euinet.predict.engine import Facts, fingerprint
from euinet.predict.onnx_metadata import INPUT, KEY, OnnxMetadata, read_metadata

BATCH = 500  # images a pass; scores do not depend on it
EXPLAINED = ("perturbed", "features")  # outputs that a file for the page has besides; unread here
_FATAL = 4  # onnxruntime's severity: what goes wrong is raised, not printed


class OnnxPredictor:
    """A file that `euinet export` wrote.

    Raises UsageError when there is no such file, it is no exported EuiNet, or onnxruntime is missing;
    StorageError when it is damaged, contradicts itself or has a later format.
    """

    def __init__(self, model: str) -> None:
        self._path = Path(model)
        if not self._path.is_file():
            raise UsageError(f"There is no file {model}: give one that `euinet export` wrote.")
        self._session = _session(self._path)
        try:
            self.metadata = _checked(self._session, model)
        except (StorageError, UsageError):
            raise
        except Exception as error:  # whatever a hostile description leads to
            raise _damaged(model, error) from error
        named = [output.name for output in self._session.get_outputs()]
        self._outputs = [name for name in named if name not in EXPLAINED]
        self.facts = Facts(
            model=model,
            class_names=self.metadata.class_names,
            preprocessing=self.metadata.preprocessing,
            alpha=self.metadata.alpha,
            calibration_images=self.metadata.calibration_images,
            fingerprint=fingerprint(self._path),
        )

    def predict(self, pixels: np.ndarray) -> Answers:
        """Return the answers for uint8 images (N, C, H, W) in the model's size, any number of them.

        Raises UsageError for another shape or type, StorageError when the file answers what no model can.
        """
        parts = [self.run(pixels[start : start + BATCH]) for start in range(0, max(len(pixels), 1), BATCH)]
        found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        best = found["best_class"]
        return Answers(
            class_names=self.metadata.class_names,
            labels=found["label"],
            best_classes=best,
            ood_score=found["ood_score"],
            p_value=_exact(found["p_value"], best, self.metadata) if "p_value" in found else None,
            probabilities=found["probabilities"],
        )

    def run(self, pixels: np.ndarray, also: Sequence[str] = ()) -> dict[str, Any]:
        """Return the file's outputs by name for uint8 images (N, C, H, W), in one pass.

        `also` are those of `EXPLAINED` that are wanted. Raises as `predict` does.
        """
        plain = self.metadata.preprocessing
        wanted = (plain.channels, plain.image_size, plain.image_size)
        if pixels.dtype != np.uint8 or pixels.shape[1:] != wanted:
            raise UsageError(
                f"The images are {pixels.dtype} of shape {pixels.shape}, but the model reads uint8 (0 … 255) "
                f"of shape (N, {', '.join(map(str, wanted))}): convert them."
            )
        try:
            names = [*self._outputs, *also]
            values = self._session.run(names, {INPUT: np.ascontiguousarray(pixels)})
            found = dict(zip(names, values, strict=True))
            answers = {name: found[name] for name in self._outputs}
            _check_answers(answers, len(pixels), len(self.metadata.class_names))
        except Exception as error:  # a graph may fail in any way at any operation
            raise _damaged(str(self._path), error) from error
        return found


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise UsageError(
            f"An exported model needs the package {error.name}: install it with pip install 'euinet[export]'."
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    try:
        # without its fallback: it would say on stdout that it tries the same once more
        return onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except Exception as error:  # onnxruntime has a kind for each way a file can be damaged
        raise _damaged(str(path), error) from error


def _checked(session: Any, file: str) -> OnnxMetadata:
    """Return the file's description, if its graph is as described. Raises ValueError where it is not."""
    text = session.get_modelmeta().custom_metadata_map.get(KEY)
    if text is None:
        raise UsageError(f"{file} is an ONNX file, but none that `euinet export` wrote.")
    metadata = read_metadata(text)
    plain, scores = metadata.preprocessing, len(metadata.class_names) + 1
    inputs = [(given.name, given.type, given.shape[1:]) for given in session.get_inputs()]
    if inputs != [(INPUT, "tensor(uint8)", [plain.channels, plain.image_size, plain.image_size])]:
        raise ValueError("its input is not as described")
    numbers, whole = "tensor(float)", "tensor(int64)"
    wanted: dict[str, Any] = {"label": (whole, []), "best_class": (whole, []), "ood_score": (numbers, [])}
    wanted |= {name: (numbers, [scores]) for name in ("probabilities", "scores")}
    wanted |= {"disc_score": (numbers, [])} | (
        {"p_value": (numbers, [])} if metadata.calibration_images else {}
    )
    found = {given.name: (given.type, given.shape[1:]) for given in session.get_outputs()}
    if {name: kind for name, kind in found.items() if name not in EXPLAINED} != wanted:
        raise ValueError("its outputs are not as described")
    return metadata


def _check_answers(found: dict[str, Any], images: int, classes: int) -> None:
    """Raise ValueError where a graph answers otherwise than it declares, or names a class that is none."""
    for name, values in found.items():
        shape = (images, classes + 1) if name in ("probabilities", "scores") else (images,)
        if values.shape != shape:
            raise ValueError(f"{name} has the shape {values.shape}")
    label, best = found["label"], found["best_class"]
    if ((best < 0) | (best >= classes)).any() or ((label != best) & (label != REJECT)).any():
        raise ValueError("it names classes that it lacks")


def _exact(p_value: FloatArray, best: npt.NDArray[np.int64], metadata: OnnxMetadata) -> FloatArray:
    """Return p-values (N,) as float64 fractions k/(n+1): as float32, 0.1 would lie above α = 0.1."""
    count: Any = metadata.calibration_images
    if metadata.calibration_images_by_class is not None:
        count = np.array(metadata.calibration_images_by_class)[best]
    exact: FloatArray = np.rint(p_value.astype(np.float64) * (count + 1)) / (count + 1)
    return exact


def _damaged(file: str, error: Exception) -> StorageError:
    said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    # onnxruntime quotes what stands in the file, and that must not steer a terminal
    what = "".join(character if character.isprintable() else "?" for character in said)
    return StorageError(f"The exported model {file} is damaged ({what}); copy it anew or export it again.")
