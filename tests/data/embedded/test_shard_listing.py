"""Shards of WebDataset, as its writers and other people's scripts make them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from embedders import MeanEmbedder, image, values
from euinet.data.embedded.dataset import embed_dataset
from euinet.data.embedded.listing import PARTS
from euinet.data.embedded.places import list_images
from euinet.errors import DataError


def write(path: Path, *members: tuple[str, bytes], form: int = tarfile.PAX_FORMAT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=form) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def samples(count: int, first: int = 0, ending: str = "cls") -> list[tuple[str, bytes]]:
    """`count` images of the classes 0 and 1 in turn, each with its label beside it."""
    found = []
    for number in range(first, first + count):
        found += [(f"{number:06}.png", image(number)), (f"{number:06}.{ending}", str(number % 2).encode())]
    return found


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("place", ["shards", "shards/*.tar"])
def test_shards_become_a_data_set(form: int, place: str, tmp_path: Path, embedder: MeanEmbedder) -> None:
    for shard in range(2):
        write(tmp_path / "shards" / f"{shard:04}.tar", *samples(10, 10 * shard), form=form)
    found = embed_dataset(str(tmp_path / place), embedder)
    assert found.class_names == ("0", "1")
    for part in (found.train, found.test):
        assert [value % 2 for value in values(part.images)] == part.labels.tolist()
    assert sorted(values(found.train.images) + values(found.test.images)) == list(range(20))


def test_labels_stand_in_members_of_several_kinds(tmp_path: Path) -> None:
    members = [
        ("a/1.jpg", image(1)), ("a/1.cls", b"10\n"), ("a/1.json", b'{"label": "not this"}'),
        ("a/2.seg.png", image(2)), ("a/2.txt", b"\xef\xbb\xbf 9 "), ("a/2.npy", b"other things"),
        ("b/2.JPEG", image(3)), ("b/2.JSON", b'{"width": 3, "class": 9}'),
        ("b/3.txt", b"a caption without an image"),
        (".hidden.jpg", b"of another program"),
    ]  # fmt: skip
    listing = list_images(write(tmp_path / "a.tar", *members))
    assert listing.class_names == ("9", "10")
    assert listing.labels.tolist() == [1, 0, 0]
    assert [content.read() for content in listing.contents] == [image(1), image(2), image(3)]
    assert next(iter(listing.contents)).name == f"{tmp_path}/a.tar[a/1.jpg]"
    assert listing.passed.sentence() == "2 files without an image's name (.npy: 1, .txt: 1): passed over."
    text = list_images(
        write(
            tmp_path / "b.tar", ("1.png", image(1)), ("1.cls", b"10"), ("2.png", image(2)), ("2.cls", b"007")
        )
    )
    assert text.class_names == ("007", "10")


def test_a_long_name_and_folders_do_no_harm(tmp_path: Path) -> None:
    long = "x" * 300
    path = write(tmp_path / "a.tar", (f"{long}.png", image(1)), (f"{long}.cls", b"one"))
    with tarfile.open(path, "a") as tar:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        link = tarfile.TarInfo("folder/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, f"{long}.png"
        tar.addfile(link)
    listing = list_images(path)
    assert [content.read() for content in listing.contents] == [image(1)]
    assert listing.passed.odd == 1


def test_parts_are_the_shards_folders_or_names(tmp_path: Path) -> None:
    for name in ("train/0.tar", "val/0.tar", "test2017-0.tar"):
        write(tmp_path / "data" / name, *samples(2))
    listing = list_images(tmp_path / "data")
    assert [PARTS[part] for part in listing.parts] == [
        "test",
        "test",
        "train",
        "train",
        "validation",
        "validation",
    ]


@pytest.mark.parametrize(
    ("members", "says"),
    [
        (
            [("1.png", image(1))],
            r"1\.png in .*a\.tar has no label: put one beside it, in a member of its name",
        ),
        ([("1.png", image(1)), ("2.cls", b"0")], r"1\.png in .* has no label"),
        ([("1.png", image(1)), ("1.cls", b" \n")], r"The label of 1\.png in .* cannot be read from 1\.cls"),
        ([("1.png", image(1)), ("1.cls", b"\xff\xfe")], "cannot be read from"),
        ([("1.png", image(1)), ("1.json", b'{"caption": 1}')], "cannot be read from"),
        ([("1.png", image(1)), ("1.json", b'{"label": 1.5}')], "cannot be read from"),
        ([("1.png", image(1)), ("1.json", b"{" * 100_000)], "cannot be read from"),
        ([("1.a.png", image(1)), ("1.b.png", image(1)), ("1.cls", b"0")], "has two images of one name"),
        ([("1.cls", b"0")], "has no images"),
        ([], "has no images"),
        (samples(1), "has the class '0' alone"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    members: list[tuple[str, bytes]], says: str, tmp_path: Path, embedder: MeanEmbedder
) -> None:
    with pytest.raises(DataError, match=says) as caught:
        embed_dataset(write(tmp_path / "a.tar", *members), embedder)
    assert "\n" not in str(caught.value)


def test_damaged_and_packed_shards_and_mixtures_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tar", *samples(20))
    content = path.read_bytes()
    for damaged in (content[:5000], b"nothing", b"", content[:2048] + b"x" * 5000):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"a\.tar (is damaged or no tar file|has no images)"):
            list_images(path)
    (tmp_path / "b.tar.gz").touch()
    with pytest.raises(DataError, match=r"b\.tar\.gz is a compressed shard: unpack it"):
        list_images(tmp_path / "b.tar.gz")
    (tmp_path / "c.parquet").touch()
    with pytest.raises(DataError, match=r"has Parquet files and shards"):
        list_images(tmp_path)


def test_a_shard_that_is_cut_while_it_is_read_costs_its_images(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tar", *samples(4))
    contents = list(list_images(path).contents)
    path.write_bytes(path.read_bytes()[:2000])
    assert contents[0].read() == image(0)
    with pytest.raises(DataError, match=r"\[000003\.png\] ends before it should: write .*a\.tar anew"):
        contents[3].read()
