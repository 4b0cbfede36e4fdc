"""Dividing images class by class, the same way for the same seed."""

import itertools
from collections.abc import Sequence

import numpy as np

from euinet.answers import IntArray
from euinet.errors import DataError
from euinet.system.words import counted


def stratified_positions(
    labels: IntArray,
    classes: Sequence[int],
    class_names: Sequence[str],
    fractions: Sequence[float],
    seed: int,
    *,
    fewest_left: int = 1,
    kind: str = "training image",
    taken: float = 0.0,
) -> tuple[IntArray, ...]:
    """Return disjoint, ascending positions of the images of `classes`: the rest, then one part a fraction.

    Of each class with n images a part gets round(fraction · n), at least 1; the rest keeps `fewest_left`.
    `labels`: (N,) int64. Each class is shuffled by its own stream of `seed`, so where an image goes does
    not depend on which other classes are there. Raises DataError when a class has too few images, of a `kind`
    of which the share `taken` lies in another part already.
    """
    parts: list[list[IntArray]] = [[] for _ in range(1 + len(fractions))]
    for number in classes:
        positions = np.flatnonzero(labels == number)
        sizes = _part_sizes(len(positions), fractions, fewest_left)
        if sizes is None:
            left = ((n, n - (max(1, round(taken * n)) if taken else 0)) for n in itertools.count())
            found = next(n for n, rest in left if rest >= len(positions))
            enough = next(n for n, rest in left if _part_sizes(rest, fractions, fewest_left))
            parts_to_fill = 1 + len(fractions) + (taken > 0)
            raise DataError(
                f"Class '{class_names[number]}' has {counted(found, kind)}, but at least {enough} are "
                f"needed to fill {counted(parts_to_fill, 'part')}: add images or leave the class out."
            )
        generator = np.random.default_rng((seed, number))
        shuffled = generator.permutation(positions)
        for part, chosen in zip(parts, np.split(shuffled, np.cumsum(sizes)[:-1]), strict=True):
            part.append(chosen)
    return tuple(np.sort(np.concatenate(part)) for part in parts)


def _part_sizes(count: int, fractions: Sequence[float], fewest_left: int) -> list[int] | None:
    sizes = [max(1, round(fraction * count)) for fraction in fractions]
    rest = count - sum(sizes)
    return [rest, *sizes] if rest >= fewest_left else None


def stratified_choice(labels: IntArray, most: int, seed: int) -> IntArray:
    """Return ascending positions of `most` of the labels (N,), each class by its share; all if N ≤ `most`.

    A class keeps at least one image where there are not more classes than `most`. Drawn by `seed`.
    """
    if len(labels) <= most:
        return np.arange(len(labels))
    generator = np.random.default_rng(seed)
    place = np.empty(len(labels))  # in the queue: 0 … 1 within each class, so that classes end together
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        place[generator.permutation(own)] = np.arange(len(own)) / len(own)
    return np.sort(np.argsort(place, kind="stable")[:most])


def turn_by_turn(labels: IntArray) -> IntArray:
    """Return the positions of labels (N,) so that the classes take turns until each is used up."""
    turn = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        turn[own] = np.arange(len(own))
    return np.argsort(turn, kind="stable")
