"""Settings of networks that differ in what an explanation has to show."""

from __future__ import annotations

from typing import NamedTuple

from euinet.model.model import Model
from euinet.trained.model import TrainedModel

SIGN = {"scoring.epsilon": 4.0, "scoring.perturbation": "sign", "scoring.pixel_range": 255.0}
MEMORY = {"model.memory_per_class": 4, "model.memory_neighbours": 2, "scoring.distance_scale": 1.5}
CASES = {"still": ({"scoring.epsilon": 0.0}, 1), "perturbed": ({**SIGN, **MEMORY}, 3)}
"""Settings, and how many channels the images have. Each is exported once in a run: that takes seconds."""


class Exported(NamedTuple):
    """A network, and the model that people have of it."""

    trained: TrainedModel
    model: Model
