"""A trained model as a folder: `config.json` and `model.safetensors`. Nothing in it is executed.

A network whose weights were rounded (`round_weights`) takes half the space and loses nothing by it. What is
read is checked before anything is built from it (artifact_check.py).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from euinet.answers import Answers, PixelArray
from euinet.errors import StorageError, TrainingError, UsageError
from euinet.images.preprocessing import Preprocessing
from euinet.model.check import check_tensors, checked_card_values, checked_config
from euinet.model.conformal import Calibration, check_enough
from euinet.model.names import CONFIG_FILE, WEIGHTS_FILE
from euinet.networks.euinet import EuiNet
from euinet.networks.folded import fold_batch_norms
from euinet.presets import Preset
from euinet.records import Decision
from euinet.scoring.inference import decide_from_scores, raw_scores
from euinet.scoring.threshold import LogitRange, RawScores
from euinet.system.files import write_atomically, write_text

if TYPE_CHECKING:
    from euinet.detectors.own import EuiNetDetector

FORMAT_VERSION = 2
READABLE_VERSIONS = (1, 2)  # 1 had no calibration scores
CALIBRATION_SCORES, CALIBRATION_ANSWERS = "calibration.ood_score", "calibration.answers"


@dataclass(frozen=True)
class ModelCard:
    """All about a model except its weights and calibration scores."""

    data: str
    class_names: tuple[str, ...]  # of the K known classes, in label order
    known_classes: tuple[int, ...]
    unknown_classes: tuple[int, ...]
    channels: int
    image_size: int
    seed: int
    logit_range: LogitRange  # brings the class logits to where α and γ lie
    preset: Preset
    metrics: dict[str, Any]
    command: str | None = None  # that made the model
    data_fingerprint: str | None = None  # of the images that it was parted from (data/fingerprint.py)

    @property
    def preprocessing(self) -> Preprocessing:
        """How an image file becomes what the network reads."""
        return Preprocessing(self.channels, self.image_size)


@dataclass(frozen=True)
class Model:
    """An EuiNet in eval mode, its card, and the operating point that was set by calibration."""

    network: nn.Module
    card: ModelCard
    calibration: Calibration | None = None

    @cached_property
    def folded(self) -> nn.Module:
        """The network as it scores: BatchNorm folded into the layers before it (models/folded.py)."""
        return fold_batch_norms(self.network).requires_grad_(False)

    def decide(self, images: PixelArray | Tensor) -> Decision:
        """Return EuiNet's decision, with all that led to it, for uint8 images (N, C, H, W)."""
        return self.decide_from(raw_scores(self.folded, images, self.card.preset.scoring))

    def decide_from(self, raw: RawScores) -> Decision:
        """Return the decision for what the network said of N images, on the CPU."""
        card = self.card
        thresholds = None
        if self.calibration is not None:
            thresholds = torch.from_numpy(self.calibration.thresholds(len(card.class_names)))
        return decide_from_scores(raw, card.preset.scoring, card.logit_range, thresholds)

    def predict(self, images: Tensor | np.ndarray | Sequence[str | Path]) -> Answers:
        """Return for each image a label or "none of these", and why.

        `images`: uint8, 0 … 255, as a tensor or array (N, C, H, W), (N, H, W) where the model is grey, in the
        model's size; or the paths of image files of any size. Raises UsageError for another shape or type,
        DataError for a file that cannot be read.
        """
        return self.answers(self.decide(self.pixels(images)))

    def answers(self, decision: Decision) -> Answers:
        """Return what `predict` does for images whose decision is known."""
        best = decision.classifier_labels
        p_value = None
        if self.calibration is not None:
            p_value = self.calibration.p_values(decision.ood_score, best)
        return Answers(
            class_names=self.card.class_names,
            labels=decision.labels,
            best_classes=best,
            ood_score=decision.ood_score,
            p_value=p_value,
            probabilities=decision.probabilities,
        )

    def calibrate(
        self, images: PixelArray | Tensor, alpha: float | None, *, per_class: bool = False
    ) -> Model:
        """Return the same network with α promised by known uint8 images (n, C, H, W) that it never saw.

        Nothing else of the model changes. Raises UsageError, with the number needed, for too few images.
        """
        decision = replace(self, calibration=None).decide(images)
        calibration = Calibration(decision.ood_score, decision.classifier_labels, alpha, per_class)
        check_enough(calibration, self.card.class_names)
        return replace(self, calibration=calibration)

    def with_alpha(self, alpha: float | None, *, per_class: bool = False) -> Model:
        """Return the same model with another α, by the calibration scores that it keeps.

        Raises UsageError when it keeps none, or too few for this α.
        """
        if self.calibration is None:
            raise UsageError("The model keeps no calibration scores: calibrate it with known images first.")
        calibration = replace(self.calibration, alpha=alpha, per_class=per_class)
        check_enough(calibration, self.card.class_names)
        return replace(self, calibration=calibration)

    def as_detector(self) -> EuiNetDetector:
        """Return the model as a pytorch-ood detector: (B, C, H, W) images in −1 … 1 → `ood_score` (B,)."""
        from euinet.detectors.own import EuiNetDetector  # pytorch-ood costs a second

        return EuiNetDetector(self.network, self.card.preset.scoring, self.card.logit_range)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model to `folder`, each file whole or not at all. Raises StorageError."""
        save_model(self, Path(folder))

    @staticmethod
    def from_pretrained(name_or_folder: str | Path, device: torch.device | str = "cpu") -> Model:
        """Return a model by its folder or bundled name, as `euinet.load` does."""
        from euinet.pretrained import resolve_model

        return load_model(resolve_model(name_or_folder), device)

    def pixels(self, images: Tensor | np.ndarray | Sequence[str | Path]) -> Tensor:
        """Return images as uint8 (N, C, H, W) in the model's size. Takes and raises what `predict` does."""
        if not isinstance(images, Tensor | np.ndarray):
            if isinstance(images, str | Path):
                raise UsageError(f"predict takes a list of files, not one: give [{str(images)!r}].")
            read = [self.card.preprocessing.read(Path(path)).pixels for path in images]
            shape = (0, self.card.channels, self.card.image_size, self.card.image_size)
            images = np.stack(read) if read else np.empty(shape, np.uint8)
        pixels = torch.as_tensor(images)
        if pixels.ndim == 3 and self.card.channels == 1:
            pixels = pixels.unsqueeze(1)
        wanted = (self.card.channels, self.card.image_size, self.card.image_size)
        if pixels.dtype != torch.uint8 or tuple(pixels.shape[1:]) != wanted:
            raise UsageError(
                f"The images are {str(pixels.dtype).removeprefix('torch.')} of shape {tuple(pixels.shape)}, "
                f"but the model reads uint8 (0 … 255) of shape (N, {', '.join(map(str, wanted))}): convert "
                "them, or give the paths of image files, which are brought to that size."
            )
        return pixels


@torch.no_grad()
def round_weights(network: nn.Module) -> None:
    """Round the weights of layers to what float16 can hold, in place; they stay float32.

    Weights are the parameters of two dimensions and more; biases and BatchNorm are few and stay as they are.
    To be called before calibration, so that what is calibrated, measured and saved is the same network.
    Raises TrainingError, and leaves the network as it was, when a weight is too large or not a number.
    """
    weights = {name: weight for name, weight in network.named_parameters() if weight.ndim >= 2}
    rounded = {name: weight.half().to(weight.dtype) for name, weight in weights.items()}
    for name, weight in rounded.items():
        if not weight.isfinite().all():
            largest = weights[name].abs().max().item()
            raise TrainingError(
                f"The weights {name} reach {largest:.3g}, but only numbers up to 65,504 can be rounded to "
                "float16: training diverged; lower the learning rate, or do not round."
            )
    for name, weight in weights.items():
        weight.copy_(rounded[name])


def save_model(model: Model, folder: Path) -> None:
    """Write `model` to `folder`, weights first, each file whole or not at all. Raises StorageError."""
    from safetensors.torch import save

    tensors = {name: _stored(tensor) for name, tensor in model.network.state_dict().items()}
    config = asdict(model.card) | {
        "format_version": FORMAT_VERSION,
        "preset": model.card.preset.model_dump(mode="json"),
        "preprocessing": model.card.preprocessing.to_plain(),
        "calibration": None,
    }
    if calibration := model.calibration:
        tensors[CALIBRATION_SCORES] = torch.from_numpy(calibration.scores.astype(np.float32))
        tensors[CALIBRATION_ANSWERS] = torch.from_numpy(calibration.answers.astype(np.int32))
        thresholds = calibration.thresholds(len(model.card.class_names))
        config["calibration"] = {
            "alpha": calibration.alpha,
            "per_class": calibration.per_class,
            "images": len(calibration),
            "threshold": thresholds.tolist() if calibration.per_class else float(thresholds[0]),
        }
    with write_atomically(folder / WEIGHTS_FILE) as temporary:
        temporary.write_bytes(save(tensors))
    write_text(folder / CONFIG_FILE, json.dumps(config, indent=2, allow_nan=False) + "\n")


def load_model(folder: Path, device: torch.device | str = "cpu") -> Model:
    """Read a model that `save_model` wrote. Raises UsageError if there is none, StorageError if damaged."""
    from safetensors.torch import load_file

    config_path, weights_path = folder / CONFIG_FILE, folder / WEIGHTS_FILE
    if not (config_path.is_file() and weights_path.is_file()):
        raise UsageError(
            f"There is no model in {folder}: it must hold {CONFIG_FILE} and {WEIGHTS_FILE}, as "
            "`euinet train` and `euinet reproduce` write them (in the folder model of their --out)."
        )
    try:
        config = checked_config(config_path, READABLE_VERSIONS)
        promise = config.pop("calibration", None)
        card = ModelCard(**checked_card_values(config))
        build = (card.preset.model, card.channels, card.image_size, len(card.class_names))
        with torch.device("meta"):  # shapes alone: nothing is allocated for what the file does not hold
            expected = EuiNet(*build).state_dict()
        added = () if promise is None else (CALIBRATION_SCORES, CALIBRATION_ANSWERS)
        check_tensors(weights_path, {name: tuple(t.shape) for name, t in expected.items()}, added)
        tensors = load_file(weights_path)
        calibration = _calibration(promise, tensors, card.class_names)
        network = EuiNet(*build)
        network.load_state_dict({name: _as_float32(tensors[name]) for name in expected})
    except StorageError:
        raise
    except Exception as error:  # json, safetensors, torch and pydantic each have their own kinds
        what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise StorageError(
            f"The model in {folder} is damaged or no EuiNet model ({what}); copy it anew or train again."
        ) from error
    return Model(network.to(device).eval(), card, calibration)


def _stored(tensor: Tensor) -> Tensor:
    """Return a tensor as it is written: in half the space where that loses nothing."""
    tensor = tensor.detach().cpu().contiguous()
    half = tensor.half()
    return half if tensor.ndim >= 2 and torch.equal(half.to(tensor.dtype), tensor) else tensor


def _as_float32(tensor: Tensor) -> Tensor:
    if tensor.is_floating_point() and not tensor.isfinite().all():
        raise ValueError("a weight is not a number, or infinite")
    return tensor.float() if tensor.dtype == torch.float16 else tensor


def _calibration(
    promise: dict[str, Any] | None, tensors: dict[str, Tensor], class_names: tuple[str, ...]
) -> Calibration | None:
    """Return the calibration that was saved; its thresholds are worked out anew from its scores."""
    if promise is None:
        return None
    scores, answers = tensors[CALIBRATION_SCORES], tensors[CALIBRATION_ANSWERS]
    if scores.ndim != 1 or answers.shape != scores.shape or scores.dtype != torch.float32:
        raise ValueError("the calibration scores have a wrong shape")
    if not scores.isfinite().all():
        raise ValueError("a calibration score is not a number")
    if answers.dtype != torch.int32 or (
        len(answers) and not 0 <= answers.min() <= answers.max() < len(class_names)
    ):
        raise ValueError("the calibration answers name classes that the model lacks")
    alpha, per_class = promise["alpha"], promise["per_class"]
    if not (alpha is None or isinstance(alpha, float)) or not isinstance(per_class, bool):
        raise ValueError("the calibration's alpha or per_class is of a wrong type")
    calibration = Calibration(scores.numpy(), answers.long().numpy(), alpha, per_class)
    check_enough(calibration, class_names)
    return calibration
