"""Settings of networks that differ in what an explanation has to show."""

from __future__ import annotations

STILL = {"scoring.epsilon": 0.0}
SIGN = {"scoring.epsilon": 4.0, "scoring.perturbation": "sign", "scoring.pixel_range": 255.0}
MEMORY = {"model.memory_per_class": 4, "model.memory_neighbours": 2, "scoring.distance_scale": 1.5}
