from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor

from euinet.detectors import Subject
from euinet.detectors.passes import Gathered, ImageBatches, few_positions, gather, read
from euinet.detectors.stopwatch import Stopwatch, time
from euinet.networks import to_network_range
from euinet.networks.euinet import EuiNet
from euinet.records import LabelledImages


def test_one_pass_gives_what_forward_gives_and_the_maps_behind_it(
    subject: Subject, random_images: Callable[..., Tensor]
) -> None:
    model = cast(EuiNet, subject.model)
    images = to_network_range(random_images(6, 1, 8, 8)).contiguous(memory_format=torch.channels_last)
    passed = read(model, images)
    with torch.no_grad():
        outputs, stages = model(images), model.trunk(images)
    for mine, theirs in zip(passed.outputs[:3], outputs[:3], strict=True):
        assert torch.equal(mine, theirs)
    assert [tuple(maps.shape) for maps in passed.maps] == [(6, 8, 4, 4), (6, 16, 2, 2)]
    assert all(maps.is_contiguous() for maps in passed.maps)
    for pooled, stage in zip(passed.stages, stages, strict=True):
        torch.testing.assert_close(pooled, stage)
    assert not any(stage._forward_hooks for stage in model.trunk.stages)


def test_hooks_go_even_when_the_pass_fails(subject: Subject) -> None:
    model = cast(EuiNet, subject.model)
    with pytest.raises(RuntimeError):
        read(model, torch.zeros(1, 3, 8, 8))  # a channel too many
    assert not any(stage._forward_hooks for stage in model.trunk.stages)


def test_gathered_rows_are_those_of_the_images(
    subject: Subject, random_images: Callable[..., Tensor]
) -> None:
    model = cast(EuiNet, subject.model)
    images = random_images(7, 1, 8, 8).numpy()
    gathered = gather(model, images, Stopwatch())
    assert isinstance(gathered, Gathered)
    positions = np.array([5, 2])
    chosen, alone = gathered.where(positions), read(model, to_network_range(images[positions]))
    torch.testing.assert_close(chosen.class_logits, alone.outputs.class_logits)
    torch.testing.assert_close(chosen.stages[-1], alone.outputs.features)


def test_batches_hold_every_image_once_in_order(random_images: Callable[..., Tensor]) -> None:
    images = LabelledImages(random_images(7, 1, 2, 2).numpy(), np.arange(7))
    loader = ImageBatches(images, torch.device("cpu"), size=3)
    for _ in range(2):  # a loader can be gone through again
        batches = list(loader)
        assert [len(labels) for _, labels in batches] == [3, 3, 1]
        assert np.array_equal(torch.cat([labels for _, labels in batches]), images.labels)
        assert torch.equal(torch.cat([x for x, _ in batches]), to_network_range(images.images))
    assert len(loader) == 3


def test_the_few_are_a_fair_share_of_each_class() -> None:
    labels = np.array([0] * 600 + [1] * 300 + [2] * 100)
    chosen = few_positions(labels, few=100)
    assert np.bincount(labels[chosen]).tolist() == [60, 30, 10]
    assert np.array_equal(chosen, np.unique(chosen))
    assert np.array_equal(chosen, few_positions(labels, few=100))
    assert not np.array_equal(chosen, few_positions(labels, few=100, seed=1))
    assert np.array_equal(few_positions(labels, few=1000), np.arange(1000))


def test_a_second_is_charged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    clock = Stopwatch()
    with clock.charge("detector"):
        now = 2.0
        with clock.charge("pass"):
            now = 5.0
        now = 6.0
    now = 100.0  # nobody's
    with clock.charge("pass"):
        now = 101.0
    assert dict(clock.seconds) == {"detector": 3.0, "pass": 4.0}
