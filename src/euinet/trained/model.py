"""A trained model as a network of torch, with its card: to judge, to export, to learn on.

In a folder it is `config.json` and `model.safetensors`; nothing in them is executed, and what is read is
checked before anything is built from it (model/check.py). export/save.py writes them, and the decision file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from euinet.answers import Answers, StoredArray
from euinet.errors import StorageError, TrainingError, UnknownNameError, UsageError
from euinet.model.backbone import OnnxEmbedder
from euinet.model.card import ModelCard
from euinet.model.check import check_numbers, check_tensors, checked_card, checked_config
from euinet.model.conformal import Calibration, check_enough
from euinet.model.names import CONFIG_FILE, WEIGHTS_FILE
from euinet.model.seen import SEEN_FILE, SeenImages, calibration_images, load_seen, save_seen
from euinet.model.sound import check_sound, sound_answers
from euinet.networks.euinet import EuiNet
from euinet.networks.folded import fold_batch_norms
from euinet.networks.half import stored
from euinet.networks.trunks import trunk_maker
from euinet.records import Decision, LabelledImages
from euinet.scoring.inference import decide_from_scores, features_of, raw_scores
from euinet.scoring.threshold import RawScores
from euinet.system.files import write_bytes, write_text
from euinet.system.words import quoted

if TYPE_CHECKING:
    from euinet.detectors.own import EuiNetDetector

FORMAT_VERSION = 3
_EMBEDDED = 256  # images that a backbone sees in one call


@dataclass(frozen=True)
class TrainedModel:
    """An EuiNet in eval mode, its card, and the operating point that was set by calibration."""

    network: nn.Module
    card: ModelCard
    calibration: Calibration | None = None
    seen: SeenImages | None = None  # what it has learned from; None: not known
    # The graph that makes embeddings of images; None: there is none. What takes images here takes these, or
    # images as they are.
    backbone_graph: bytes | None = None

    @cached_property
    def folded(self) -> nn.Module:
        """The network as it scores: BatchNorm folded into the layers before it (networks/folded.py)."""
        return fold_batch_norms(self.network).requires_grad_(False)

    def decide(self, images: Tensor | np.ndarray) -> Decision:
        """Return EuiNet's decision, with all that led to it, for uint8 images (N, C, H, W).

        Raises StorageError where the network has no answer for one: what is counted must not miss it.
        """
        decision = self._unchecked(images)
        check_sound(_outputs(decision), self.calibration, len(self.card.class_names))
        return decision

    def _unchecked(self, images: Tensor | np.ndarray) -> Decision:
        return self.decide_from(raw_scores(self.folded, self._read(images), self.card.preset.scoring))

    def _read(self, images: Tensor | np.ndarray) -> Tensor | np.ndarray:
        """Return what the network reads: of images before a backbone what that makes of them."""
        if self.backbone_graph is None or images.ndim != 4:
            return images
        embedder = self._embedder
        starts = range(0, len(images), _EMBEDDED)
        rows = [embedder.embed(np.asarray(images[start : start + _EMBEDDED])) for start in starts]
        return np.concatenate(rows) if rows else np.empty((0, self.card.width), np.float32)

    @cached_property
    def _embedder(self) -> OnnxEmbedder:
        assert self.backbone_graph is not None
        return OnnxEmbedder(self.backbone_graph, self.card.preprocessing)

    def decide_from(self, raw: RawScores) -> Decision:
        """Return the decision for what the network said of N images, on the CPU, be it sound or not."""
        card = self.card
        thresholds = None
        if self.calibration is not None:
            thresholds = torch.from_numpy(self.calibration.thresholds(len(card.class_names)))
        return decide_from_scores(raw, card.preset.scoring, card.logit_range, thresholds)

    def answer(self, images: Tensor | np.ndarray) -> Answers:
        """Return the answers for uint8 images (N, C, H, W) in the model's size, as `Model.answer` does."""
        return self.answers(self._unchecked(images))

    def answers(self, decision: Decision) -> Answers:
        """Return the answers for images whose decision is known."""
        return sound_answers(_outputs(decision), self.calibration, self.card.class_names)

    def features(self, images: Tensor | np.ndarray) -> np.ndarray:
        """Return (N, F) what the classifier reads of uint8 images (N, C, H, W), as they are."""
        return features_of(self.folded, self._read(images)).numpy()

    def calibrate(
        self, images: StoredArray | Tensor | LabelledImages, alpha: float | None, *, per_class: bool = False
    ) -> TrainedModel:
        """Return the same network with α promised by known images (n, C, H, W) that it never saw.

        Of images with the same pixels one counts. Nothing else of the model changes. Raises UsageError for
        images that it has learned from and, with the number needed, for too few.
        """
        known = images if isinstance(images, LabelledImages) else np.asarray(images)
        decision = replace(self, calibration=None).decide(calibration_images(known, self.seen))
        return self.calibrated(Calibration(decision.ood_score, decision.classifier_labels, alpha, per_class))

    def with_alpha(self, alpha: float | None, *, per_class: bool = False) -> TrainedModel:
        """Return the same model with another α, by the calibration scores that it keeps.

        Raises UsageError when it keeps none, or too few for this α.
        """
        if self.calibration is None:
            raise UsageError("The model keeps no calibration scores: calibrate it with known images first.")
        return self.calibrated(replace(self.calibration, alpha=alpha, per_class=per_class))

    def calibrated(self, calibration: Calibration) -> TrainedModel:
        """Return the same network with this calibration, and no measures of the one before.

        Raises UsageError where it has too few scores.
        """
        check_enough(calibration, self.card.class_names)
        return replace(self, card=self.card.recalibrated(), calibration=calibration)

    def as_detector(self) -> EuiNetDetector:
        """Return the model as a pytorch-ood detector: (B, C, H, W) images in −1 … 1 → `ood_score` (B,)."""
        from euinet.detectors.own import EuiNetDetector  # pytorch-ood costs a second

        return EuiNetDetector(self.network, self.card.preset.scoring, self.card.logit_range)


def load_trained(folder: Path, device: torch.device | str = "cpu") -> TrainedModel:
    """Read a network with its card, without a calibration (that stands in the decision file).

    Raises UsageError if there is none, UnknownNameError if its backbone is not there, StorageError if it is
    damaged.
    """
    from safetensors.torch import load_file

    config_path, weights_path = folder / CONFIG_FILE, folder / WEIGHTS_FILE
    if not (config_path.is_file() and weights_path.is_file()):
        raise UsageError(
            f"There is no network in {folder}: it must hold {CONFIG_FILE} and {WEIGHTS_FILE}, as "
            "`euinet train` and `euinet reproduce` write them (in the folder model of their --out)."
        )
    try:
        card = checked_card(checked_config(config_path, (FORMAT_VERSION,)))
        build = (card.preset.model, card.network_shape, len(card.class_names))
        trunk_maker(card.preset.model)  # imports a package now: its own tensors must not become "meta"
        with torch.device("meta"):  # shapes alone: nothing is allocated for what the file does not hold
            expected = EuiNet(*build).state_dict()
        check_tensors(weights_path, {name: tuple(t.shape) for name, t in expected.items()})
        tensors = load_file(weights_path)
        check_numbers({name: tensor.numpy() for name, tensor in tensors.items()})
        network = EuiNet(*build)
        network.load_state_dict(tensors)  # which makes float32 of halves
    except (StorageError, UnknownNameError):  # a backbone that is not installed is no damage
        raise
    except Exception as error:  # json, safetensors, torch and pydantic each have their own kinds
        what = quoted(error)
        raise StorageError(
            f"The model in {folder} is damaged or no EuiNet model ({what}); copy it anew or train again."
        ) from error
    return TrainedModel(network.to(device).eval(), card, seen=load_seen(folder / SEEN_FILE))


def save_network(model: TrainedModel, folder: Path) -> None:
    """Write the network and its card alone, as `load_trained` reads them.

    Raises StorageError, and TrainingError for a weight that is no finite number.
    """
    from safetensors.numpy import save

    config = {"format_version": FORMAT_VERSION, **model.card.to_plain()}
    write_bytes(folder / WEIGHTS_FILE, save(weights_of(model)))
    save_seen(model.seen, folder)
    write_text(folder / CONFIG_FILE, json.dumps(config, indent=2, allow_nan=False) + "\n")


def weights_of(model: TrainedModel) -> dict[str, np.ndarray]:
    """Return the network's tensors as they stand in a file. Raises TrainingError unless all are finite."""
    weights = {name: stored(tensor).numpy() for name, tensor in model.network.state_dict().items()}
    try:
        check_numbers(weights)
    except ValueError as error:
        raise TrainingError(
            f"The model is not written, for {error}: training diverged; lower the learning rate."
        ) from error
    return weights


def _outputs(decision: Decision) -> dict[str, np.ndarray]:
    """Return a decision under the names that a decision file has for its outputs."""
    return {
        "label": decision.labels,
        "best_class": decision.classifier_labels,
        **{name: getattr(decision, name) for name in ("ood_score", "scores", "probabilities", "disc_score")},
    }
