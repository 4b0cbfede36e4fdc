"""Alike images together, by the angle between their features.

Average linkage on cosine distance: no number of groups to choose, and one distance that separates. Measured
on what the bundled models without 0, 4 and 7 reject of MNIST's and Fashion-MNIST's test images: at 0.3 the
unknown digit comes out as one group with 78 to 96 % of its images and no others in it; at 0.2 in pieces, at
0.5 with others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from euinet.answers import IntArray

DISTANCE = 0.3  # 1 − cosine, on average between two groups that stay apart
MOST = 3_000  # images that are grouped among themselves; further ones join the nearest group
FEWEST = 3  # images of a group
ALONE = 0  # the group of those unlike any other
SHOWN = 12  # images that stand for a group
Features = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Group:
    """Images that look alike to the model."""

    id: int  # the same while most of its images are; ALONE: those unlike any other
    size: int
    representatives: tuple[str, ...]  # keys, from the most typical one to the least
    best_classes: dict[str, int]  # what the classifier took them for
    first_seen: float  # seconds since 1970
    last_seen: float

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**vars(self), "representatives": list(self.representatives)}


def group_features(features: Features) -> IntArray:
    """Return a group (N,) for features (N, F): 1, 2, … by falling size, or ALONE. Rows come newest first."""
    unit = _unit(features)
    groups = _linked(unit[:MOST])
    if len(unit) > MOST:
        groups = np.concatenate([groups, _nearest(unit[MOST:], unit[:MOST], groups)])
    sizes = np.bincount(groups, minlength=2)
    sizes[ALONE] = 0
    order = np.argsort(-sizes, kind="stable")
    renamed = np.zeros(len(sizes), np.int64)
    kept = [group for group in order.tolist() if sizes[group] >= FEWEST]
    renamed[kept] = np.arange(1, len(kept) + 1)
    return renamed[groups]


def stable_ids(new: IntArray, old: Sequence[int | None], next_id: int) -> tuple[IntArray, int]:
    """Return the groups (N,) under lasting ids, and the next free one.

    A new group takes the id of the old one with which it shares most images, where no other shares more of
    it; else a fresh id.
    """
    before = np.array([ALONE if group is None else group for group in old], np.int64)
    shared: list[tuple[int, int, int]] = []
    for group in np.unique(new[new != ALONE]).tolist():
        ids, counts = np.unique(before[(new == group) & (before != ALONE)], return_counts=True)
        shared += [(-count, group, one) for one, count in zip(ids.tolist(), counts.tolist(), strict=True)]
    names: dict[int, int] = {ALONE: ALONE}
    for _, group, one in sorted(shared):
        if group not in names and one not in names.values():
            names[group] = one
    for group in np.unique(new).tolist():
        if group not in names:
            names[group], next_id = next_id, next_id + 1
    return np.array([names[group] for group in new.tolist()], np.int64), next_id


def representatives(features: Features) -> IntArray:
    """Return positions of at most SHOWN rows of (N, F), evenly from the most to the least typical."""
    unit = _unit(features)
    order = np.argsort(-(unit @ unit.mean(axis=0)), kind="stable")
    places = np.linspace(0, len(order) - 1, min(SHOWN, len(order))).round().astype(np.int64)
    shown: IntArray = order[np.unique(places)]
    return shown


def _linked(unit: Features) -> IntArray:
    """Return groups (N,) 0 … of unit rows (N, F), each numbered from 1."""
    if len(unit) < 2:
        return np.ones(len(unit), np.int64)
    # what scikit-learn's AgglomerativeClustering calls too; its own import costs a second more
    from scipy.cluster.hierarchy import fcluster, linkage  # type: ignore[import-untyped]

    all_pairs = (1 - unit @ unit.T).clip(0)
    distances = np.concatenate([row[at + 1 :] for at, row in enumerate(all_pairs)])  # each pair once
    return np.asarray(fcluster(linkage(distances, "average"), DISTANCE, "distance"), np.int64)


def _nearest(unit: Features, grouped: Features, groups: IntArray) -> IntArray:
    """Return for unit rows (M, F) the group whose mean is nearest, or ALONE where none is near."""
    names = np.unique(groups)
    means = np.stack([grouped[groups == name].mean(axis=0) for name in names])
    alike = unit @ _unit(means).T
    return np.where(alike.max(axis=1) >= 1 - DISTANCE, names[alike.argmax(axis=1)], ALONE)


def _unit(features: Features) -> Features:
    length = np.linalg.norm(features, axis=1, keepdims=True)
    # a row of zeros has no direction; the first axis stands in for it
    unit = features / np.where(length > 0, length, 1)
    unit[length[:, 0] == 0, 0] = 1
    return unit
