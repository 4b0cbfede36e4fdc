"""Classes that take turns, so that the first few of a list have an equal share of each."""

from __future__ import annotations

import numpy as np

from euinet.answers import IntArray


def turn_by_turn(labels: IntArray) -> IntArray:
    """Return the positions of (N,) labels so that the classes take turns until each is used up."""
    turn = np.empty_like(labels)
    for label in np.unique(labels):
        own = labels == label
        turn[own] = np.arange(np.count_nonzero(own))
    return np.argsort(turn, kind="stable")
