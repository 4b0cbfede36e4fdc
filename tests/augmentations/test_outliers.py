from __future__ import annotations

import pytest
import torch
from torch import Tensor

from euinet.augmentations.outliers import KINDS, partners, pseudo_outliers


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images() -> Tensor:
    """Twelve images of 20 × 20: a bright upright bar, each at another place, and a level one in all."""
    made = torch.full((12, 1, 20, 20), -1.0)
    for index in range(12):
        made[index, :, 3:17, 4 + index] = 1.0
    made[:, :, 9:12, 3:17] = 1.0
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_changes_the_image_and_stays_an_image(kind: str, images: Tensor) -> None:
    before = images.clone()
    made = KINDS[kind](images, images.roll(1, 0), stream())
    assert made.shape == images.shape
    assert made.isfinite().all()
    assert made.min() >= -1 - 1e-5
    assert made.max() <= 1 + 1e-5
    assert torch.equal(images, before), "the known images themselves must stay as they are"
    changed = (made - images).abs().flatten(1).amax(dim=1) > 0.5
    # Stitching like bars on the same side and erasing beside the stroke can leave an image as it was.
    assert changed.float().mean() >= 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_takes_colour_and_sizes_that_nothing_divides(kind: str) -> None:
    images = 2 * torch.rand(5, 3, 27, 30, generator=stream()) - 1
    assert KINDS[kind](images, images.flip(0), stream(1)).shape == images.shape


def test_overlaid_and_subtracted_by_hand() -> None:
    image, other = torch.tensor([[[[1.0, 1.0, -1.0, 0.0]]]]), torch.tensor([[[[1.0, -1.0, 1.0, 0.0]]]])
    assert KINDS["overlaid"](image, other, stream()).flatten().tolist() == [1, 1, 1, 0]
    # (x + 1)·(1 − y)/2 − 1: dark where the other is bright, halfway where both are
    assert KINDS["subtracted"](image, other, stream()).flatten().tolist() == [-1, 1, -1, -0.5]


def test_stitched_has_each_pixel_from_one_of_the_two() -> None:
    one, two = torch.full((64, 1, 28, 28), 0.25), torch.full((64, 1, 28, 28), -0.5)
    made = KINDS["stitched"](one, two, stream())
    share = (made == 0.25).float().mean(dim=(1, 2, 3))
    assert ((made == 0.25) | (made == -0.5)).all()
    assert share.min() > 0.3
    assert share.max() < 0.7


def test_shuffled_keeps_every_pixel_somewhere() -> None:
    images = torch.rand(6, 1, 28, 28, generator=stream())
    made = KINDS["shuffled"](images, images, stream(3))
    assert torch.equal(made.flatten(1).sort().values, images.flatten(1).sort().values)
    assert not torch.equal(made, images)


def test_partners_are_others_and_of_another_class() -> None:
    labels = torch.randint(0, 5, (200,), generator=stream())
    found = partners(labels, stream(1))
    assert sorted(found.tolist()) == list(range(200))
    assert (found != torch.arange(200)).all()
    assert (labels[found] != labels).float().mean() > 0.95


def test_each_kind_gets_an_equal_share(images: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """With makers that only paint their number, each number appears equally often."""

    def painter(number: int) -> object:
        return lambda chosen, others, generator: torch.full_like(chosen, float(number))

    makers = tuple(painter(number) for number in range(len(KINDS)))
    monkeypatch.setattr("euinet.augmentations.outliers._MAKERS", makers)
    many = torch.zeros(4 * len(KINDS), 1, 8, 8)
    made = pseudo_outliers(many, torch.arange(len(many)) % 3, stream())
    counts = torch.bincount(made[:, 0, 0, 0].long(), minlength=len(KINDS))
    assert counts.tolist() == [4] * len(KINDS)


def test_the_stream_decides(images: Tensor) -> None:
    labels = torch.arange(12) % 3
    once, again, other = (pseudo_outliers(images, labels, stream(seed)) for seed in (0, 0, 1))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
