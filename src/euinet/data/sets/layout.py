"""How a user's folder of images lies: one folder a class, in parts or not; what is doubtful is asked back.

    FOLDER/CLASS/…                                   no parts
    FOLDER/train/CLASS/… beside validation and test  parts, under any name of PART_NAMES, in any case

A folder that has a part's name, but beside class folders and without folders in it, is a class.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from euinet.errors import DataError
from euinet.images.names import HIDDEN, PassedOver, image_files
from euinet.system.words import printable

TRAIN, VALIDATION, TEST, WHOLE = "train", "validation", "test", ""
PART_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), TEST),
}


@dataclass(frozen=True)
class Layout:
    """Which class folders a folder has, by part; WHOLE is the only part where it has none."""

    parts: Mapping[str, Mapping[str, Path]]  # part → class → its folder

    @property
    def class_names(self) -> tuple[str, ...]:
        """All classes of all parts, sorted."""
        return tuple(sorted({name for classes in self.parts.values() for name in classes}))


def find_layout(folder: Path) -> Layout:
    """Return how a folder lies. Raises DataError, one sentence, where it can be understood in two ways."""
    there = subfolders(folder)
    named = [path for path in there if path.name.casefold() in PART_NAMES]
    others = [path for path in there if path not in named]
    parted = any(map(subfolders, named))
    if not named or (others and not parted and len(named) == 1):
        _question_parts(folder, there)
        return Layout({WHOLE: _classes(there)})
    if others := [path for path in others if not parted or _holds_images(path)]:
        raise DataError(
            f"{folder} has {_listed(named)}, by name a part of data, beside {_listed(others)}, which is "
            "none: put all class folders into train, validation and test, or rename what is a class."
        )
    parts: dict[str, Mapping[str, Path]] = {}
    for path in named:
        part = PART_NAMES[path.name.casefold()]
        if part in parts:
            raise DataError(
                f"{folder} has {_listed(named)}, of which two are for the same: join them, or take one out."
            )
        parts[part] = _classes(subfolders(path))
        if not parts[part]:
            raise DataError(f"{path} has no class folders: make one folder of images a class in it.")
    return Layout(parts)


def _question_parts(folder: Path, there: Sequence[Path]) -> None:
    """Raise DataError where folders hold the same folders and no images: parts under names that are none."""
    inside = [{path.name for path in subfolders(one)} for one in there]
    if len(there) > 1 and inside[0] and all(names == inside[0] for names in inside):
        if any(_holds_images(one, deep=False) for one in there):
            return
        raise DataError(
            f"{folder} has {_listed(there)}, which hold the same folders, {', '.join(sorted(inside[0]))}: if "
            "they are parts of the data, call them train, validation and test; if classes, put their images "
            "into them without folders."
        )


def training_folder(folder: Path) -> Path:
    """Return the folder whose class folders are trained on: one of its parts, else itself."""
    parts = find_layout(folder).parts if folder.is_dir() else {}
    return next(iter(parts[TRAIN].values())).parent if TRAIN in parts else folder


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder by name, links to folders too, unless they lead back to it.

    Names with a leading dot are other programs' leftovers (.ipynb_checkpoints). Raises DataError for a
    folder that cannot be read.
    """
    try:
        found = [path for path in folder.iterdir() if not path.name.startswith(HIDDEN) and path.is_dir()]
        return sorted(path for path in found if not folder.resolve().is_relative_to(path.resolve()))
    except OSError as error:
        raise DataError(
            f"The folder {folder} cannot be read ({error.strerror or error}): make it readable, or take it "
            "out."
        ) from error


def _classes(folders: Sequence[Path]) -> dict[str, Path]:
    """Return folders by the name of their class: composed, so that é is one sign however it was written."""
    classes: dict[str, Path] = {}
    for path in folders:
        name = unicodedata.normalize("NFC", path.name)
        if name in classes:
            raise DataError(
                f"{path.parent} has two folders '{printable(name)}', which differ only in how é and the like "
                "are written: put their images into one."
            )
        classes[name] = path
    return classes


def _holds_images(folder: Path, *, deep: bool = True) -> bool:
    return any(deep or "/" not in name for name in image_files(folder, PassedOver()))


def _listed(folders: Sequence[Path]) -> str:
    return ", ".join(path.name for path in folders)
