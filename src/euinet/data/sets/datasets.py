"""Data sets by name or folder.

Named sets keep their native size: 28 × 28 grey (MNIST and its relatives), 32 × 32 RGB (CIFAR-10).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from euinet.data.sets import sources
from euinet.data.sets.cifar import ensure_cifar10, has_cifar10, load_cifar10
from euinet.data.sets.digits import digits_folder, has_digits, load_digits
from euinet.data.sets.folders import load_folder
from euinet.data.sets.idx import read_labelled_images
from euinet.data.sets.sources import IdxSet, ensure_idx_files, has_idx_files
from euinet.errors import UsageError
from euinet.records import Dataset, LabelledImages
from euinet.system.notify import Notify

_Parts = tuple[LabelledImages, LabelledImages]  # train, test


@dataclass(frozen=True)
class _NamedSet:
    class_names: tuple[str, ...]
    fetch: Callable[[Path, Notify | None], Path]
    load: Callable[[Path, Notify | None], _Parts]
    is_there: Callable[[Path], bool]


def _fetch_idx(idx_set: IdxSet, root: Path, notify: Notify | None) -> Path:
    ensure_idx_files(idx_set, root, notify)
    return idx_set.folder(root)


def _load_idx(idx_set: IdxSet, root: Path, notify: Notify | None) -> _Parts:
    files = ensure_idx_files(idx_set, root, notify)
    train = read_labelled_images(files["train-images-idx3-ubyte"], files["train-labels-idx1-ubyte"])
    test = read_labelled_images(files["t10k-images-idx3-ubyte"], files["t10k-labels-idx1-ubyte"])
    return train, test


def _load_cifar10(root: Path, notify: Notify | None) -> _Parts:
    ensure_cifar10(root, notify)
    return load_cifar10(root)


def _digits_folder(_root: Path, _notify: Notify | None) -> Path:
    return digits_folder()


def _load_digits(_root: Path, _notify: Notify | None) -> _Parts:
    return load_digits()


def _idx_set(idx_set: IdxSet, class_names: tuple[str, ...]) -> _NamedSet:
    return _NamedSet(
        class_names,
        partial(_fetch_idx, idx_set),
        partial(_load_idx, idx_set),
        partial(has_idx_files, idx_set),
    )


_TEN_DIGITS = tuple("0123456789")
_FASHION = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot"
_CIFAR10 = "airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck"
_NAMED_SETS = {
    "mnist": _idx_set(sources.MNIST, _TEN_DIGITS),
    "fashion-mnist": _idx_set(sources.FASHION_MNIST, tuple(_FASHION.split(","))),
    "kmnist": _idx_set(sources.KMNIST, ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")),
    "cifar10": _NamedSet(tuple(_CIFAR10.split(",")), ensure_cifar10, _load_cifar10, has_cifar10),
    "digits": _NamedSet(_TEN_DIGITS, _digits_folder, _load_digits, lambda _: has_digits()),
}
DATASET_NAMES = tuple(_NAMED_SETS)
"""The names that `load_dataset` knows."""


def class_names(name: str) -> tuple[str, ...]:
    """Return the class names of the named data set `name`, in the order of its labels."""
    return _NAMED_SETS[name].class_names


def load_dataset(
    name_or_folder: str,
    data_root: Path | None = None,
    *,
    image_size: int | None = None,
    notify: Notify | None = None,
) -> Dataset:
    """Return a data set by name (`DATASET_NAMES`), or a folder of images (see `folders`).

    Images are uint8, (N, C, H, W). `image_size` (pixels; default 32) is for folders only. `data_root` is
    where named sets lie (see `sources.data_root`); what is missing there is fetched, and `notify` told so.
    Raises UsageError for an unknown name or a bad size, DataError when the data cannot be had or trusted,
    StorageError when they cannot be written.
    """
    named = _NAMED_SETS.get(name_or_folder)
    if named is None:
        folder = Path(name_or_folder).expanduser()
        if folder.is_dir():
            return load_folder(folder.resolve(), image_size)
        raise UsageError(_unknown_name(name_or_folder, "or a folder with one folder of images a class"))
    if image_size is not None:
        raise UsageError(
            f"The image size is set to {image_size}, but {name_or_folder} keeps its own size: "
            "leave the image size out, or give a folder of images."
        )
    train, test = named.load(sources.data_root(data_root), notify)
    return Dataset(name_or_folder, named.class_names, train, test)


def is_at_hand(name_or_folder: str, data_root: Path | None = None) -> bool:
    """Return whether `load_dataset` would find the data on this computer, intact, and fetch nothing."""
    named = _NAMED_SETS.get(name_or_folder)
    if named is None:
        return Path(name_or_folder).expanduser().is_dir()
    return named.is_there(sources.data_root(data_root))


def fetch_dataset(name: str, data_root: Path | None = None, notify: Notify | None = None) -> Path:
    """Get a named data set onto this computer and return the folder where it lies.

    Nothing is fetched that is there and intact. Raises as `load_dataset` does.
    """
    if name not in _NAMED_SETS:
        raise UsageError(_unknown_name(name, "to fetch"))
    return _NAMED_SETS[name].fetch(sources.data_root(data_root), notify)


def _unknown_name(name: str, otherwise: str) -> str:
    close = difflib.get_close_matches(name.lower(), DATASET_NAMES, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return (
        f"There is no data set or folder '{name}'.{hint} Give one of {', '.join(DATASET_NAMES)}, {otherwise}."
    )
