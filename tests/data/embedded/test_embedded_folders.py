"""A folder's features are parted as its images would be, and computed once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import MeanEmbedder, image, make_folder, values  # type: ignore[import-not-found]

from euinet.data.embedded.dataset import embed_dataset, embed_unlabelled, embed_whole
from euinet.data.embedded.rows import FeatureRows
from euinet.data.sets.folders import load_folder, load_whole_folder
from euinet.data.split.holdout import hold_out_classes
from euinet.data.split.leaks import verify_split
from euinet.errors import DataError

PARTS = [("",), ("train", "test"), ("train", "val", "test"), ("train", "validation")]


@pytest.mark.parametrize("parts", PARTS)
def test_it_is_the_data_set_that_the_images_are(parts: tuple[str, ...], tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "data", *parts)
    (folder / parts[0] / "a" / "again.png").write_bytes(image(0))  # a copy
    ...
