from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from euinet.errors import UsageError
from euinet.images.geometry import read_image
from euinet.images.preprocessing import Preprocessing, check_geometry
from euinet.model.card import BackboneCard, LogitRange, ModelCard
from euinet.model.check import checked_card
from euinet.presets import get_preset


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_prediction_reads_what_training_reads(tmp_path: Path, channels: int, mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(tmp_path / "image.png")
    read = Preprocessing(channels, 16).read(tmp_path / "image.png").pixels
    trained_on = read_image(tmp_path / "image.png", 16, channels)
    np.testing.assert_array_equal(read, trained_on)
    assert read.shape == (channels, 16, 16)


def test_what_fits_is_left_as_it_is() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 16, 16), np.uint8)
    assert Preprocessing(1, 16).fit(pixels).pixels is pixels


def test_pixels_of_an_array_are_those_of_the_same_file(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 40, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    preprocessing = Preprocessing(3, 16)
    from_file = preprocessing.read(tmp_path / "image.png").pixels
    np.testing.assert_array_equal(preprocessing.fit(pixels.transpose(2, 0, 1)).pixels, from_file)


def test_the_record_names_the_geometry() -> None:
    plain = Preprocessing(3, 64).to_plain()
    assert (plain["channels"], plain["image_size"]) == (3, 64)


@pytest.mark.parametrize("shape", [(1, 9, 9), (1, 4, 4), (1, 2052, 2052), (2, 8, 8), (4, 8, 8), (1, 8, 12)])
def test_what_would_not_be_read_back_is_refused_before_training(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        UsageError, match=r"image size is \d+, but must be a multiple of 4|must be squares with 1"
    ):
        check_geometry(np.empty((0, *shape), np.uint8))


@pytest.mark.parametrize("side", [8, 28, 2048])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_size_that_is_trained_is_read_back(side: int, channels: int) -> None:
    check_geometry(np.empty((0, channels, side, side), np.uint8))
    card = ModelCard(
        *("x", ("a", "b"), (0, 1), (), channels, side, 0),
        LogitRange((1.0, 1.0), (0.0, 0.0)),
        get_preset("default"),
        {},
    )
    assert checked_card(json.loads(json.dumps(card.to_plain()))) == card


def test_what_the_first_models_say_of_themselves_is_still_said_to_the_letter() -> None:
    assert Preprocessing(1, 28).to_plain() == {
        "channels": 1,
        "image_size": 28,
        "orientation": "upright as EXIF says",
        "transparency": "laid on white",
        "grey": "ITU-R 601 luma",
        "resize": "shorter side to image_size, bilinear with antialiasing, then the centre square",
        "pixels": "uint8, 0 … 255, channels first; the network reads x · 2/255 − 1",
    }


def test_each_geometry_is_said_otherwise() -> None:
    """Caches of features are told apart by it, and a description that contradicts a model is refused."""
    all_of_them = [
        Preprocessing(3, 224),
        Preprocessing(3, 224, 256),
        Preprocessing(3, 224, 248),
        Preprocessing(3, 224, 256, "bicubic"),
        Preprocessing(3, 224, 256, "lanczos"),
        Preprocessing(3, 224, 0, "bicubic"),
        Preprocessing(3, 224, 256, "bicubic", draft=True),
        Preprocessing(3, 224, 224, draft=True),
    ]
    said = {json.dumps(one.to_plain()) for one in all_of_them}
    assert len(said) == len(all_of_them)
    plain = all_of_them[-2].to_plain()
    assert plain["resize"].startswith("shorter side to 256 pixels, bicubic with antialiasing")
    assert plain["draft"].endswith("at least 512 pixels")
    assert Preprocessing(3, 224, 224).to_plain() == Preprocessing(3, 224).to_plain()


def card_of(**more: Any) -> ModelCard:
    values = {"channels": 3, "image_size": 224, "width": 5, "backbone": BackboneCard("n", "w", "0" * 64)}
    return ModelCard(
        **{"data": "x", "class_names": ("a", "b"), "known_classes": (0, 1), "unknown_classes": ()},
        **{"seed": 0, "logit_range": LogitRange((1.0, 1.0), (0.0, 0.0)), "preset": get_preset("default")},
        **{"metrics": {}} | values | more,
    )


def test_a_card_keeps_how_its_model_reads() -> None:
    card = card_of(resize=256, interpolation="bicubic", draft=True)
    assert card.preprocessing == Preprocessing(3, 224, 256, "bicubic", draft=True)
    assert checked_card(json.loads(json.dumps(card.to_plain()))) == card
    bare = card.of_embeddings()
    assert checked_card(json.loads(json.dumps(bare.to_plain()))) == bare


def test_a_card_from_before_reads_as_before() -> None:
    plain = card_of().to_plain()
    for newer in ("resize", "interpolation", "draft"):
        del plain[newer]
    card = checked_card(json.loads(json.dumps(plain)))
    assert card.preprocessing == Preprocessing(3, 224)


@pytest.mark.parametrize("more", [{"resize": 8}, {"interpolation": "bicubic"}, {"draft": True}])
def test_a_model_of_embeddings_resizes_nothing(more: dict[str, Any]) -> None:
    card = card_of(channels=0, image_size=0, backbone=None, **more)
    with pytest.raises(ValueError, match="resizes no images"):
        checked_card(json.loads(json.dumps(card.to_plain())))
