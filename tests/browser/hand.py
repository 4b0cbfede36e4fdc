"""Drawings by hand: points in 0 … 1 of the canvas, one list a stroke. Not those of the example buttons."""

from __future__ import annotations

import math
import random

Strokes = list[list[tuple[float, float]]]


def arc(
    x: float, y: float, wide: float, high: float, start: float, end: float, steps: int = 40
) -> list[tuple[float, float]]:
    """Return points of an ellipse's arc; degrees, 0 to the right, clockwise."""
    angles = [math.radians(start + (end - start) * step / steps) for step in range(steps + 1)]
    return [(x + wide * math.cos(angle), y + high * math.sin(angle)) for angle in angles]


ZERO: Strokes = [arc(0.5, 0.5, 0.21, 0.3, -90, 270)]
THREE: Strokes = [arc(0.48, 0.35, 0.16, 0.15, -150, 90), arc(0.47, 0.65, 0.19, 0.16, -90, 150)]


def scribble(seed: int) -> Strokes:
    """Return one to three random wavy strokes."""
    chance = random.Random(seed)
    strokes = []
    for _ in range(chance.randint(1, 3)):
        x, y, heading = chance.uniform(0.25, 0.75), chance.uniform(0.25, 0.75), chance.uniform(0, 2 * math.pi)
        points = [(x, y)]
        for _ in range(chance.randint(4, 25)):
            heading += chance.gauss(0, 0.5)
            x = min(max(x + 0.035 * math.cos(heading), 0.05), 0.95)
            y = min(max(y + 0.035 * math.sin(heading), 0.05), 0.95)
            points.append((x, y))
        strokes.append(points)
    return strokes
