"""A decision computed by torch on a GPU: the module that the decision file was made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from euinet.export.decision import WholeDecision
from euinet.model.conformal import Calibration
from euinet.model.decision_file import Description, constants, describe
from euinet.trained.model import TrainedModel
from euinet.training.devices import make_fabric


class TorchEngine:
    """The outputs of a decision file by torch. The constants are its calibration."""

    def __init__(
        self,
        module: WholeDecision,
        description: Description,
        calibration: Calibration | None,
        device: torch.device,
    ) -> None:
        self.description, self.device = describe(description, calibration), device.type
        self._module, self._device = module, device
        values = constants(calibration, len(description.card.class_names))
        self._constants = {name: torch.from_numpy(value).to(device) for name, value in values.items()}

    def run(self, pixels: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Return outputs by name for uint8 images (N, C, H, W) in the model's size, in one pass."""
        images = torch.from_numpy(np.ascontiguousarray(pixels)).to(self._device)
        with torch.no_grad():  # the perturbation turns gradients on for itself
            found = self._module(images, **self._constants)
        return {name: getattr(found, name).detach().cpu().numpy() for name in names}

    def calibrated(self, content: bytes, description: Description, calibration: Calibration) -> TorchEngine:
        """Return the engine of the same network with another calibration."""
        return TorchEngine(self._module, description, calibration, self._device)


def torch_engine(model: TrainedModel, description: Description, device: str) -> TorchEngine:
    """Return the engine of a trained model on `device`. Raises UsageError where there is no such device."""
    place = make_fabric(device, "32-true").device  # type: ignore[arg-type]
    module = WholeDecision(model, model.folded).eval().to(place)
    return TorchEngine(module, description, model.calibration, place)
