"""Real files, as others wrote them: photographs in parts, and CIFAR-10's test images in a Parquet file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embedders import MeanEmbedder
from euinet.data.embedded.dataset import embed_dataset
from euinet.data.embedded.places import list_images
from euinet.data.sets.folders import load_folder

SHARED = Path(__file__).parents[4] / "shared" / "data"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real data are not in {SHARED}"),
]


def test_cifars_test_images_are_a_thousand_of_each_class(embedder: MeanEmbedder) -> None:
    listing = list_images(SHARED / "cifar10-test.parquet")
    assert len(listing.class_names) == 10
    assert np.bincount(listing.labels).tolist() == [1000] * 10
    found = embed_dataset(SHARED / "cifar10-test.parquet", embedder)
    assert len(found.train) + len(found.test) == len(
        np.unique(np.concatenate([found.train.digests, found.test.digests]))
    )
    assert len(found.test) == pytest.approx(2000, abs=5)


def test_photographs_are_parted_as_their_pixels_are(embedder: MeanEmbedder) -> None:
    features, images = embed_dataset(SHARED / "clothing", embedder), load_folder(SHARED / "clothing", 16)
    for part in ("train", "test"):
        ours, theirs = getattr(features, part), getattr(images, part)
        assert np.allclose(np.asarray(ours.images)[:, :3], theirs.images.mean(axis=(2, 3)), rtol=1e-3)
        assert np.array_equal(ours.labels, theirs.labels)
    assert features.validation is not None
    assert images.validation is not None
    assert features.validation.sum() == images.validation.sum() == 341
