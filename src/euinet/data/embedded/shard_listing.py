"""The images of shards of WebDataset: .tar files whose members of one name are one image and its label.

    000017.jpg  000017.cls     the label in a member .cls or .txt, as it stands there, or in a .json under
    000018.jpg  000018.json    "label" or "class"

A shard's headers are read once; an image is where it lies in its shard, 16 bytes and its name.
"""

import json
import tarfile
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from euinet.data.embedded.contents import Content, RangeContent, read_range
from euinet.data.embedded.file_parts import file_parts
from euinet.data.embedded.labels import LabelColumn
from euinet.data.embedded.listing import PARTS, Listing
from euinet.errors import DataError
from euinet.images.geometry import IMAGE_SUFFIXES
from euinet.images.names import HIDDEN, Names, PassedOver
from euinet.system.words import printable

LABEL_ENDINGS = ("cls", "json", "txt")  # the first that an image has counts
_LABEL_KEYS = ("label", "class", "target", "cls")
_MOST_LABEL_BYTES = 2**20


@dataclass(frozen=True, eq=False)
class Shard:
    """A shard, and where in it each image lies."""

    path: Path
    names: Names = field(default_factory=Names)
    offsets: "array[int]" = field(default_factory=lambda: array("Q"))
    sizes: "array[int]" = field(default_factory=lambda: array("Q"))


@dataclass(frozen=True)
class ShardContents:
    """The contents of shards' images, one after another."""

    shards: Sequence[Shard]

    def __len__(self) -> int:
        return sum(len(shard.names) for shard in self.shards)

    def __iter__(self) -> Iterator[Content]:
        for shard in self.shards:
            for name, offset, size in zip(shard.names, shard.offsets, shard.sizes, strict=True):
                yield RangeContent(shard.path, offset, size, f"{shard.path}[{name}]")


@dataclass
class _Sample:
    """The members of one key."""

    key: str
    images: list[tarfile.TarInfo] = field(default_factory=list)
    labels: dict[str, tarfile.TarInfo] = field(default_factory=dict)  # by ending


def list_shards(place: Path, paths: Sequence[Path]) -> Listing:
    """Return the images of shards. Parts are the files' own (file_parts.py).

    Raises DataError, one sentence, for a shard that is damaged, and for images without a label or several of
    one key.
    """
    labels, passed = LabelColumn(str(place)), PassedOver()
    shards = [_read_shard(path, labels, passed) for path in paths]
    if not len(labels):
        endings = ", ".join(sorted(IMAGE_SUFFIXES))
        raise DataError(f"{place} has no images ({endings}): give shards of images with their labels.")
    parts = [
        np.full(len(shard.names), PARTS.index(part), np.int8)
        for shard, part in zip(shards, file_parts(place, paths), strict=True)
    ]
    names, numbers = labels.classes(read_numbers=True)
    return Listing(place, names, numbers, np.concatenate(parts), ShardContents(shards), passed)


def _read_shard(path: Path, labels: LabelColumn, passed: PassedOver) -> Shard:
    shard = Shard(path)
    try:
        with tarfile.open(path, "r:") as tar:
            for sample in _samples(tar, passed):
                if len(sample.images) > 1:
                    both = " and ".join(printable(member.name) for member in sample.images[:2])
                    raise DataError(
                        f"{path} has two images of one name, {both}: it cannot be known which is meant."
                    )
                if not sample.images:
                    passed.files.update(f".{ending}" for ending in sample.labels)
                    continue
                member = sample.images[0]
                labels.append(_label(path, sample))
                shard.names.append(member.name)
                shard.offsets.append(member.offset_data)
                shard.sizes.append(member.size)
    except (tarfile.TarError, OSError, EOFError) as error:
        what = printable(" ".join(str(error).split()))[:120]
        raise DataError(f"{path} is damaged or no tar file ({what}): write it anew.") from error
    return shard


def _samples(tar: tarfile.TarFile, passed: PassedOver) -> Iterator[_Sample]:
    """Yield what members of one key, which follow each other, are."""
    sample = _Sample("")
    while (member := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]  # else it keeps a kilobyte a member
        if member.isdir():
            continue
        folder, _, name = member.name.rpartition("/")
        stem, _, ending = name.partition(".")
        if not member.isreg() or member.sparse is not None or not stem:
            passed.odd += not name.startswith(HIDDEN)
            continue
        key = f"{folder}/{stem}"
        if key != sample.key:
            yield sample
            sample = _Sample(key)
        last = ending.rpartition(".")[2].lower()
        if f".{last}" in IMAGE_SUFFIXES:
            sample.images.append(member)
        elif last in LABEL_ENDINGS:
            sample.labels[last] = member
        else:
            passed.files[f".{last}" if last else ""] += 1
    yield sample
    _check_end(tar)


def _check_end(tar: tarfile.TarFile) -> None:
    """Raise ReadError where members end before their shard: at a damaged header tarfile stops in silence."""
    assert tar.fileobj is not None
    tar.fileobj.seek(tar.offset)
    if any(tar.fileobj.read(tarfile.BLOCKSIZE)):
        raise tarfile.ReadError(f"no header at byte {tar.offset}")


def _label(path: Path, sample: _Sample) -> str:
    """Return the label of an image as text. Raises DataError where it has none."""
    image = printable(sample.images[0].name)
    ending = next((ending for ending in LABEL_ENDINGS if ending in sample.labels), None)
    if ending is None:
        raise DataError(
            f"{image} in {path} has no label: put one beside it, in a member of its name that ends with "
            f"{', '.join('.' + known for known in LABEL_ENDINGS)}."
        )
    member = sample.labels[ending]
    content = read_range(path, member.name, member.offset_data, min(member.size, _MOST_LABEL_BYTES))
    try:
        label = content.decode("utf-8-sig").strip()
        if ending == "json":
            label = _of_json(label)
    except (ValueError, TypeError, RecursionError):
        label = ""
    if not label:
        raise DataError(
            f"The label of {image} in {path} cannot be read from {printable(member.name)}: write text or a "
            'whole number there, in a .json under "label".'
        )
    return label


def _of_json(text: str) -> str:
    told = json.loads(text)
    value = next((told[key] for key in _LABEL_KEYS if key in told), "") if isinstance(told, dict) else told
    return str(value).strip() if isinstance(value, str | int) else ""
