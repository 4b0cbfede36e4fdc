"""Alike images come together, groups keep their names, and it is quick."""

from __future__ import annotations

import time

import numpy as np
import pytest
from inbox_cases import fill, quadrant

from euinet.inbox import Inbox, grouping
from euinet.inbox.grouping import ALONE, group_features, representatives, stable_ids
from euinet.inbox.pictures import image_key


def clusters(*sizes: int, seed: int = 0, spread: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Features around as many directions at right angles, shuffled, and which is around which."""
    generator = np.random.default_rng(seed)
    truth = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    features = 7 * np.eye(len(sizes), 32)[truth] + spread * generator.normal(size=(len(truth), 32))
    return features.astype(np.float32), truth


def test_each_direction_is_a_group_the_largest_first() -> None:
    features, truth = clusters(5, 40, 12)
    groups = group_features(features)
    for cluster, group in ((1, 1), (2, 2), (0, 3)):
        assert set(groups[truth == cluster]) == {group}


def test_it_is_the_direction_that_counts_not_the_length() -> None:
    features, truth = clusters(20, 20)
    scaled = features * np.random.default_rng(1).uniform(0.01, 100, (len(features), 1))
    np.testing.assert_array_equal(group_features(scaled), group_features(features))
    assert len(set(truth[group_features(scaled) == 1])) == 1


def test_the_same_groups_as_scikit_learns() -> None:
    from sklearn.cluster import AgglomerativeClustering

    features = np.random.default_rng(2).normal(size=(150, 6))
    linked = AgglomerativeClustering(
        n_clusters=None, distance_threshold=grouping.DISTANCE, metric="cosine", linkage="average"
    ).fit_predict(features)
    groups = group_features(features)
    for label in np.unique(linked):
        own = groups[linked == label]
        assert len(set(own)) == 1
        assert (own[0] == ALONE) == (len(own) < grouping.FEWEST)


def test_those_unlike_any_other_are_in_no_group() -> None:
    features, truth = clusters(10, 1, 2)
    groups = group_features(features)
    assert set(groups[truth == 0]) == {1}
    assert set(groups[truth > 0]) == {ALONE}
    assert group_features(np.ones((1, 4))).tolist() == [ALONE]
    assert group_features(np.zeros((3, 4))).tolist() == [1, 1, 1]  # no direction at all: alike


def test_images_beyond_the_limit_join_the_nearest_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "MOST", 60)
    features, truth = clusters(100, 60)
    stranger = np.zeros((1, 32), np.float32)
    stranger[0, 20] = 7
    groups = group_features(np.concatenate([features, stranger]))
    assert groups[-1] == ALONE
    for cluster, group in ((0, 1), (1, 2)):
        assert set(groups[:-1][truth == cluster]) == {group}


def test_groups_keep_their_ids_while_most_of_their_images_stay() -> None:
    old = [7, 7, 7, 9, 9, None, ALONE, 9]
    ids, following = stable_ids(np.array([1, 1, 2, 2, 2, 2, 3, ALONE]), old, 12)
    # 1 has two of 7; 2 has one of 7 and two of 9; 3 is new
    assert ids.tolist() == [7, 7, 9, 9, 9, 9, 12, ALONE]
    assert following == 13
    split, following = stable_ids(np.array([1, 1, 1, 2, 2]), [7] * 5, 8)
    assert split.tolist() == [7, 7, 7, 8, 8]
    assert following == 9


def test_representatives_go_from_the_most_typical_to_the_least() -> None:
    angles = np.linspace(0, 1, 40)
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    shown = representatives(features)
    assert len(shown) == grouping.SHOWN
    typical = np.abs(angles[shown] - np.arctan2(*features.mean(axis=0)[::-1]))
    assert (np.diff(typical) >= -0.03).all()
    assert typical[0] < 0.03
    assert typical[-1] > 0.45
    assert sorted(representatives(features[:3])) == [0, 1, 2]


def test_three_thousand_images_take_less_than_two_seconds() -> None:
    group_features(clusters(5, 5)[0])  # scipy's import
    features, _ = clusters(*[60] * 50, spread=0.5)
    begun = time.perf_counter()
    group_features(np.concatenate([features, features])[:5000])
    assert time.perf_counter() - begun < 4  # 1.0 s on a quiet core of the machine it was written on


def test_an_inbox_groups_what_is_new_and_says_what_it_was_taken_for(inbox: Inbox) -> None:
    fill(inbox, 6, 0, 4)
    first, second = inbox.groups()
    assert (first.size, second.size) == (6, 4)
    assert set(first.representatives) == {image_key(quadrant(0, seed)) for seed in range(6)}
    assert first.best_classes == {"a": 6}
    fill(inbox, 0, 0, 10, start=50)
    bigger, smaller = inbox.groups()
    assert (bigger.id, bigger.size) == (second.id, 14)
    assert (smaller.id, smaller.size) == (first.id, 6)
    inbox.label(inbox.keys_of_group(bigger.id), "south-west")
    assert [group.id for group in inbox.groups()] == [first.id]
    inbox.undo()
    assert {group.id for group in inbox.groups()} == {first.id, second.id}


def test_another_model_groups_by_its_own_features(tmp_path_factory: pytest.TempPathFactory) -> None:
    from inbox_cases import make_inbox

    folder = tmp_path_factory.mktemp("inbox")
    inbox = make_inbox(folder)
    fill(inbox, 5, 5)
    assert [group.size for group in inbox.groups()] == [5, 5]
    inbox.close()
    calls: list[int] = []

    def blind(pixels: np.ndarray) -> np.ndarray:
        calls.append(len(pixels))
        return np.ones((len(pixels), 3), np.float32)

    inbox = make_inbox(folder, key="another", features=blind)
    assert [group.size for group in inbox.groups()] == [10]
    assert [group.size for group in inbox.groups()] == [10]
    assert calls == [10]  # features are computed once
    inbox.close()


def test_images_of_another_shape_are_unlike_any_other(tmp_path_factory: pytest.TempPathFactory) -> None:
    from inbox_cases import make_inbox

    folder = tmp_path_factory.mktemp("inbox")
    inbox = make_inbox(folder)
    fill(inbox, 5)
    inbox.close()
    inbox = make_inbox(folder, key="another", shape=(1, 16, 16))
    (alone,) = inbox.groups()
    assert (alone.id, alone.size, len(alone.representatives)) == (ALONE, 5, 5)
    assert len(inbox.keys_of_group(ALONE)) == 5
    assert inbox.groups() == [alone]
    inbox.close()
