"""A folder's features are parted as its images would be, and computed once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embedders import SIDE, MeanEmbedder, image, make_folder, values
from euinet.data.embedded.dataset import embed_dataset, embed_unlabelled, embed_whole
from euinet.data.embedded.rows import FeatureRows
from euinet.data.sets.folders import load_folder, load_whole_folder
from euinet.data.split.fingerprint import image_digests
from euinet.data.split.holdout import hold_out_classes
from euinet.errors import DataError, EuiNetError
from euinet.records import LabelledImages

PARTS = [("",), ("train", "test"), ("train", "val", "test"), ("train", "validation")]


def same(features: LabelledImages, images: LabelledImages) -> bool:
    """Whether features are those of images, in their order."""
    assert isinstance(features.images, FeatureRows)
    assert features.digests is not None
    return (
        values(features.images) == images.images[:, 0, 0, 0].tolist()
        and features.labels.tolist() == images.labels.tolist()
        and features.digests.tolist() == image_digests(images).tolist()
    )


@pytest.mark.parametrize("parts", PARTS)
def test_it_is_the_data_set_that_the_images_are(
    parts: tuple[str, ...], tmp_path: Path, embedder: MeanEmbedder
) -> None:
    folder = make_folder(tmp_path / "data", *parts)
    (folder / parts[0] / "a" / "again.png").write_bytes(image(0))  # a copy
    (folder / parts[0] / "a" / "broken.jpg").write_bytes(b"nothing")
    (folder / parts[0] / "b" / "empty.png").touch()
    (folder / parts[0] / "b" / "notes.txt").touch()
    (folder / "stray.png").write_bytes(image(9))
    told: list[str] = []
    said: list[str] = []
    found = embed_dataset(folder, embedder, notify=told.append)
    expected = load_folder(folder, SIDE, said.append)
    assert told == said
    assert any("broken.jpg is broken or not an image" in sentence for sentence in told)
    assert (found.name, found.class_names, found.test_share) == ("data", ("a", "b"), expected.test_share)
    assert same(found.train, expected.train)
    assert same(found.test, expected.test)
    if expected.validation is None:
        assert found.validation is None
    else:
        assert found.validation is not None
        assert found.validation.tolist() == expected.validation.tolist()
    split, as_images = hold_out_classes(found, []), hold_out_classes(expected, [])
    for part in ("train", "validation", "calibration", "test"):
        assert same(getattr(split, part), getattr(as_images, part))


def test_the_second_time_nothing_is_computed_and_nothing_decoded(
    tmp_path: Path, embedder: MeanEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder(tmp_path / "data", "")
    first = embed_dataset(folder, embedder)
    assert embedder.seen == 20
    monkeypatch.setattr("euinet.data.embedded.reading._pixels", None)
    again = embed_dataset(folder, embedder)
    assert embedder.seen == 20
    assert np.asarray(again.train.images).tolist() == np.asarray(first.train.images).tolist()
    assert again.train.digests is not None
    assert again.train.digests.tolist() == first.train.digests.tolist()  # type: ignore[union-attr]


def test_a_moved_image_is_known_a_new_one_and_another_networks_are_not(
    tmp_path: Path, embedder: MeanEmbedder
) -> None:
    folder = make_folder(tmp_path / "data", "")
    embed_dataset(folder, embedder)
    (folder / "a" / "0.png").rename(folder / "b" / "moved.png")
    (folder / "a" / "new.png").write_bytes(image(200))
    found = embed_dataset(folder, embedder)
    assert embedder.seen == 21
    assert sorted(values(found.train.images) + values(found.test.images)) == [*range(20), 200]
    other = MeanEmbedder("another network")
    embed_dataset(folder, other)
    assert other.seen == 21


def test_the_whole_of_it_takes_the_models_order_of_classes(tmp_path: Path, embedder: MeanEmbedder) -> None:
    folder = make_folder(tmp_path / "data", "train", "test", classes="ab", count=3)
    found = embed_whole(folder, embedder, ("z", "b"))
    expected = load_whole_folder(folder, SIDE, ("z", "b"))
    assert found.class_names == expected.class_names == ("z", "b", "a")
    assert same(found.images, expected.images)
    make_folder(tmp_path / "one", "", classes="a")
    assert embed_whole(tmp_path / "one", embedder).class_names == ("a",)


def test_images_of_no_class_keep_the_folders_they_lie_in(tmp_path: Path, embedder: MeanEmbedder) -> None:
    folder = make_folder(tmp_path / "far", "", "sub", classes="a", count=2)
    (folder / "a.png").write_bytes(image(100))
    (folder / "broken.png").write_bytes(b"")
    found = embed_unlabelled(folder, embedder)
    assert list(zip(found.folders, values(found.features), strict=True)) == [
        ("a", 0), ("a", 1), ("", 100), ("sub/a", 2), ("sub/a", 3),
    ]  # fmt: skip
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=r"none has no images"):
        embed_unlabelled(tmp_path / "none", embedder)


class Odd(MeanEmbedder):
    """A network that fails for some images: of colour 3 it says nothing, of 4 more than 16 bits hold."""

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        features = super().embed(pixels)
        features[features[:, 3] == 3, 0] = np.nan
        features[features[:, 3] == 4, 0] = 1e5
        return features


def test_features_that_are_no_numbers_leave_their_image_out(tmp_path: Path) -> None:
    told: list[str] = []
    found = embed_dataset(make_folder(tmp_path / "data", ""), Odd(), notify=told.append)
    assert sorted(values(found.train.images) + values(found.test.images)) == [0, 1, 2, *range(5, 20)]
    assert told == [
        f"2 of 20 images were left out, the first because {tmp_path}/data/a/3.png has features that are no "
        "finite numbers of 16 bits: take it out."
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("class", "No image of the class folder .*/a can be read; the first: .*/a/0.png is broken"),
        ("all", "No image of .* can be read; the first: .*/a/0.png is broken"),
        ("empty", "The class folder .*/a has no images"),
        ("one", "has the class 'b' alone, but at least 2"),
        ("train", "has train alone: images to train on"),
        ("differ", "must hold the same classes, but only one of them has a"),
        ("nothing", "has no class folders: make one folder of images a class"),
        ("gone", "leads to nothing: give a folder of class folders, Parquet"),
        ("name", "is called what is said of an image of no class"),
    ],
)
def test_what_cannot_be_learned_from_is_one_sentence(
    change: str, says: str, tmp_path: Path, embedder: MeanEmbedder
) -> None:
    part = "train" if change in ("train", "differ") else ""
    folder = make_folder(tmp_path / "data", part)
    a = folder / part / "a"
    if change in ("class", "all"):
        for file in folder.rglob("*.png" if change == "all" else "a/*.png"):
            file.write_bytes(b"nothing")
    elif change in ("empty", "one", "nothing", "gone"):
        for file in a.iterdir():
            file.unlink()
        if change != "empty":
            a.rmdir()
    elif change == "differ":
        make_folder(folder, "test", classes="b")
    elif change == "name":
        a.rename(folder / "None of  these")
    if change in ("nothing", "gone"):
        for file in (folder / "b").iterdir():
            file.unlink()
        (folder / "b").rmdir()
    if change == "gone":
        folder.rmdir()
    with pytest.raises(EuiNetError, match=says) as caught:
        embed_dataset(folder, embedder)
    assert "\n" not in str(caught.value)
    if change not in ("class", "all"):
        assert embedder.seen == 0
