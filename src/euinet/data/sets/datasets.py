"""Data sets by name or folder.

Named sets keep their native size: 28 × 28 grey (MNIST and its relatives), 32 × 32 RGB (CIFAR-10).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from euinet.data.sets import sources
from euinet.data.sets.cifar import ensure_cifar10, has_cifar10, load_cifar10
from euinet.data.sets.digits import digits_folder, has_digits, load_digits
from euinet.data.sets.folders import load_folder
from euinet.data.sets.idx import read_labelled_images
from euinet.data.sets.sources import IdxSet, ensure_idx_files, has_idx_files
from euinet.errors import DataError, UnknownNameError, UsageError
from euinet.images.square import Square
from euinet.records import Dataset, LabelledImages
from euinet.system.close import did_you_mean
from euinet.system.files import expanded, is_folder
from euinet.system.notify import Notify, silent
from euinet.system.registry import Registry

__all__ = ["DATASETS", "Notify", "Parts", "fetch_dataset", "is_at_hand", "load_dataset", "register_dataset"]

Parts = tuple[LabelledImages, LabelledImages]
"""What a data set is loaded as: its training images, then its test images."""

Loader = TypeVar("Loader", bound=Callable[[Path, Notify | None], Parts])


@dataclass(frozen=True)
class NamedSet:
    """A data set that has a name, and how to have it."""

    class_names: tuple[str, ...]  # in the order of the labels
    load: Callable[[Path, Notify | None], Parts]  # from the folder of all data sets; fetches what is missing
    fetch: Callable[[Path, Notify | None], Path]  # that alone; returns where the set lies
    is_there: Callable[[Path], bool]  # whether `load` would fetch nothing


DATASETS: Registry[NamedSet] = Registry("data set", "euinet.datasets")


def register_dataset(
    name: str, class_names: Sequence[str], *, is_there: Callable[[Path], bool] = lambda _: False
) -> Callable[[Loader], Loader]:
    """Make the decorated function, NamedSet's `load`, the data set `name`.

    Without `is_there` the page shows no training images beside an answer, for they might have to be fetched.
    Raises UsageError for a name that is taken.
    """

    def register(load: Loader) -> Loader:
        def fetch(root: Path, notify: Notify | None) -> Path:
            load(root, notify)
            return root

        DATASETS.add(name, NamedSet(tuple(class_names), load, fetch, is_there), load.__module__)
        return load

    return register


def _fetch_idx(idx_set: IdxSet, root: Path, notify: Notify | None) -> Path:
    ensure_idx_files(idx_set, root, notify)
    return idx_set.folder(root)


def _load_idx(idx_set: IdxSet, root: Path, notify: Notify | None) -> Parts:
    files = ensure_idx_files(idx_set, root, notify)
    train = read_labelled_images(files["train-images-idx3-ubyte"], files["train-labels-idx1-ubyte"])
    test = read_labelled_images(files["t10k-images-idx3-ubyte"], files["t10k-labels-idx1-ubyte"])
    return train, test


def _load_cifar10(root: Path, notify: Notify | None) -> Parts:
    ensure_cifar10(root, notify)
    return load_cifar10(root)


def idx_set(files: IdxSet, class_names: tuple[str, ...]) -> NamedSet:
    """Return a set of MNIST's form: four idx files."""
    load, fetch = partial(_load_idx, files), partial(_fetch_idx, files)
    return NamedSet(class_names, load, fetch, partial(has_idx_files, files))


_DIGITS = tuple("0123456789")
_FASHION = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot"
_CIFAR10 = "airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck"
_OWN = {
    "mnist": idx_set(sources.MNIST, _DIGITS),
    "fashion-mnist": idx_set(sources.FASHION_MNIST, tuple(_FASHION.split(","))),
    "kmnist": idx_set(sources.KMNIST, ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")),
    "cifar10": NamedSet(tuple(_CIFAR10.split(",")), _load_cifar10, ensure_cifar10, has_cifar10),
    "digits": NamedSet(_DIGITS, lambda *_: load_digits(), lambda *_: digits_folder(), lambda _: has_digits()),
}
for _name, _set in _OWN.items():
    DATASETS.add(_name, _set, __name__)


def class_names(name: str) -> tuple[str, ...]:
    """Return the class names of the data set `name`, in the order of its labels; none if it is not there."""
    try:
        return DATASETS[name].class_names
    except UnknownNameError:
        return ()


def load_dataset(
    name_or_folder: str,
    data_root: Path | None = None,
    *,
    image_size: int | Square | None = None,
    channels: int | None = None,
    notify: Notify | None = None,
) -> Dataset:
    """Return a data set by name (of `DATASETS`), or a folder of images (see `folders`).

    Images are uint8, (N, C, H, W). `image_size` (pixels, or the whole way there; default 32) and `channels`
    (1 or 3; default 1 if all images are grey) are for folders only. `data_root` is where named sets lie (see
    `sources.data_root`); what is missing there is fetched, and `notify` told so. Raises UsageError for an
    unknown name or a bad size, DataError when the data cannot be had or trusted, StorageError when they
    cannot be written.
    """
    if name_or_folder not in DATASETS:
        folder = expanded(name_or_folder)
        if name_or_folder and is_folder(folder):
            return load_folder(folder.resolve(), image_size, notify or silent, channels)
        raise _unknown_name(name_or_folder, "or a folder with one folder of images a class")
    named = DATASETS[name_or_folder]
    if image_size is not None:
        raise UsageError(
            f"The image size is set to {image_size}, but {name_or_folder} keeps its own size: "
            "leave the image size out, or give a folder of images."
        )
    train, test = named.load(_root_of(name_or_folder, data_root), notify)
    for labels in (train.labels, test.labels):
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(named.class_names):
            raise DataError(
                f"The data set {name_or_folder} has labels {labels.min()} … {labels.max()}, but "
                f"{len(named.class_names)} classes: they must be 0 … {len(named.class_names) - 1}."
            )
    return Dataset(name_or_folder, named.class_names, train, test)


def load_for_model(
    name_or_folder: str,
    channels: int,
    square: int | Square,
    data_root: Path | None,
    notify: Notify | None = None,
) -> Dataset:
    """Return `load_dataset`'s, a folder's images as a model reads them; named sets keep what they have."""
    if name_or_folder in DATASETS:
        return load_dataset(name_or_folder, data_root, notify=notify)
    return load_dataset(name_or_folder, data_root, image_size=square, channels=channels, notify=notify)


def is_at_hand(name_or_folder: str, data_root: Path | None = None) -> bool:
    """Return whether `load_dataset` would find the data on this computer, intact, and fetch nothing."""
    if name_or_folder not in DATASETS:
        return bool(name_or_folder) and is_folder(expanded(name_or_folder))
    return DATASETS[name_or_folder].is_there(sources.data_root(data_root))


def fetch_dataset(name: str, data_root: Path | None = None, notify: Notify | None = None) -> Path:
    """Get a named data set onto this computer and return the folder where it lies.

    Nothing is fetched that is there and intact. Raises as `load_dataset` does.
    """
    if name not in DATASETS:
        raise _unknown_name(name, "to fetch")
    return DATASETS[name].fetch(_root_of(name, data_root), notify)


def _root_of(name: str, data_root: Path | None) -> Path:
    root = sources.data_root(data_root)
    if str(root).startswith("~") and not DATASETS[name].is_there(root):
        raise UsageError(
            f"{name} cannot be kept in {root}, for there is no such home folder: give "
            "--data-root, or set EUINET_DATA."
        )
    return root


def _unknown_name(name: str, otherwise: str) -> UnknownNameError:
    names = DATASETS.names()
    return UnknownNameError(
        f"There is no data set or folder '{name}'.{did_you_mean(name, names)} Give one of "
        f"{', '.join(names)}, {otherwise}."
    )
