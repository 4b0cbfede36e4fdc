"""The images of a folder of class folders, in parts or not, by their names: 30 bytes an image."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from euinet.data.embedded.contents import Content, FileContent
from euinet.data.embedded.listing import NO_CLASS, PARTS, Listing
from euinet.data.sets.layout import Layout, find_layout
from euinet.data.sets.left_out import images_beside, no_images
from euinet.errors import DataError
from euinet.images.geometry import IMAGE_SUFFIXES
from euinet.images.names import Names, PassedOver, image_files


@dataclass(frozen=True, eq=False)
class FileContents:
    """Image files, by the folder that each stretch of names is in."""

    stretches: Sequence[tuple[Path, Names]]

    def __len__(self) -> int:
        return sum(len(names) for _, names in self.stretches)

    def __iter__(self) -> Iterator[Content]:
        return (
            FileContent(os.path.join(folder, name))  # noqa: PTH118 (see FileContent)
            for folder, names in self.stretches
            for name in names
        )


def list_folder(folder: Path) -> Listing:
    """Return the images of class folders, part by part and class by class (data/sets/layout.py).

    Raises DataError for a folder that can be understood in two ways, or a class folder without images.
    """
    layout = find_layout(folder)
    if not layout.class_names:
        raise DataError(f"{folder} has no class folders: make one folder of images a class.")
    return _list_classes(folder, layout)


def list_unlabelled(folder: Path) -> Listing:
    """Return all images of a folder, at any depth, as images of no class.

    Raises DataError if there are none.
    """
    passed, names = PassedOver(), Names()
    for name in image_files(folder, passed):
        names.append(name)
    if not names:
        raise DataError(
            f"{folder} has no images ({', '.join(sorted(IMAGE_SUFFIXES))}): give a folder that has."
        )
    labels, parts = np.full(len(names), NO_CLASS, np.int32), np.zeros(len(names), np.int8)
    return Listing(folder, (), labels, parts, FileContents([(folder, names)]), passed)


def _list_classes(folder: Path, layout: Layout) -> Listing:
    names, passed = layout.class_names, PassedOver()
    stretches: list[tuple[Path, Names]] = []
    labels, parts = [], []
    for part, classes in layout.parts.items():
        for name, place in classes.items():
            files = Names()
            for file in image_files(place, passed):
                files.append(file)
            if not files:
                raise no_images(place)
            stretches.append((place, files))
            labels.append(np.full(len(files), names.index(name), np.int32))
            parts.append(np.full(len(files), PARTS.index(part), np.int8))
    return Listing(
        folder,
        names,
        np.concatenate(labels),
        np.concatenate(parts),
        FileContents(stretches),
        passed,
        images_beside(folder, layout),
        {(part, name): place for part, classes in layout.parts.items() for name, place in classes.items()},
    )
