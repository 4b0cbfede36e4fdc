"""How a classifier wants its pixels: what is told, what the classifier says itself, or what answers best."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from euinet.errors import UsageError
from euinet.networks.normalised import IMAGENET_DEVIATION, IMAGENET_MEAN

Colours = tuple[Sequence[float], Sequence[float]]
"""Mean and deviation, a number for each colour, of values from 0 to 1."""

KNOWN: dict[str, Colours] = {
    "imagenet": (IMAGENET_MEAN, IMAGENET_DEVIATION),
    "0..1": ((0.0,) * 3, (1.0,) * 3),
    "-1..1": ((0.5,) * 3, (0.5,) * 3),
    "0..255": ((0.0,) * 3, (1 / 255,) * 3),
}
"""By the names that --normalise takes."""


def normalising(asked: str, channels: int) -> Colours:
    """Return the mean and deviation that are asked for, one for each colour.

    `asked`: a name of `KNOWN`, or "MEAN,…/DEVIATION,…", such as "0.49,0.48,0.45/0.2,0.2,0.2". Raises
    UsageError.
    """
    if asked in KNOWN:
        return KNOWN[asked][0][:channels], KNOWN[asked][1][:channels]
    try:
        mean, deviation = (tuple(map(float, part.split(","))) for part in asked.split("/"))
    except ValueError:
        mean = deviation = ()
    sound = all(abs(one) < 1e6 for one in mean) and all(0 < one < 1e6 for one in deviation)  # no NaN either
    if len(mean) != channels or len(deviation) != channels or not sound:
        raise UsageError(
            f"'{asked}' does not say how to normalise {channels} colours: give {', '.join(KNOWN)}, or their "
            "means and deviations (of values from 0 to 1) as 0.485,0.456,0.406/0.229,0.224,0.225."
        )
    return mean, deviation


def best_normalising(right: Callable[[str], tuple[float, int]]) -> tuple[str, str]:
    """Return the name under which a classifier is most often right on known images, and what was found.

    `right`: a name → the share of right answers, and the number of classes. Raises UsageError where it is
    hardly ever right under any: then images are prepared otherwise, or the classes have another order.
    """
    found = {name: right(name) for name in KNOWN}
    listed = ", ".join(f"{name} {share:.1%}" for name, (share, _) in found.items())
    best = max(found, key=lambda name: found[name][0])
    share, classes = found[best]
    if share < min(0.5, 2.5 / classes):
        raise UsageError(
            f"However pixels are normalised, the classifier is hardly right on the known images ({listed}): "
            "name its classes in the order of its logits (--classes), or say how it reads images "
            "(--normalise, --image-size)."
        )
    return (
        best,
        f"Right on known images by how pixels are normalised: {listed}. Taken: {best}.",
    )
