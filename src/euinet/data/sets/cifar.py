"""CIFAR-10, in torchvision's layout and checked by its checksums; torchvision alone downloads it.

The files are pickles: they are read without running anything that stands in them.

Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009,
https://www.cs.toronto.edu/~kriz/cifar.html
"""

import errno
import http.client
import logging
import pickle
import tarfile
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from euinet.answers import IntArray, PixelArray
from euinet.data.sets.ways import by_torchvision
from euinet.errors import DataError
from euinet.records import LabelledImages
from euinet.system.extras import needed_for
from euinet.system.files import storage_error
from euinet.system.integrity import DamagedFileError, check_md5
from euinet.system.notify import Notify

# What tells a full or forbidden disk from an unreachable address, both of which are OSError.
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)

FOLDER = "cifar-10-batches-py"
TRAIN_FILES = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
}
TEST_FILES = {"test_batch": "40351d587109b95175f43aff81a1287e"}
"""The files and their MD5, as torchvision has them."""
# What an array of 8-bit numbers is made of in a pickle; its maker by way of one, since it has no public name.
_MADE_OF = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}

logger = logging.getLogger(__name__)


def ensure_cifar10(root: Path, notify: Notify | None = None) -> Path:
    """Return the folder of CIFAR-10's files below the data root; download them unless all are intact.

    Raises DataError naming each damaged file and the reason of the failed download, StorageError when
    a file cannot be written, UsageError when there is something to download and no torchvision.
    """
    folder = root / FOLDER
    bad = _bad_files(folder)
    if not bad:
        return folder
    damaged = [f"{path} is truncated or altered" for path in bad if path.exists()]
    for complaint in damaged:
        logger.warning("%s; this file is not used", complaint)
    with needed_for(f"CIFAR10 is not complete in {folder}, and downloading it"):
        from torchvision.datasets import CIFAR10
    if notify:
        notify(f"CIFAR10: downloading 170 MB from {CIFAR10.url}")
    try:
        root.mkdir(parents=True, exist_ok=True)
        # Downloaded and unpacked beside its final place, so that an interruption leaves nothing behind.
        staging = tempfile.TemporaryDirectory(dir=root, prefix=".cifar10-")
    except OSError as error:
        raise storage_error(folder, error) from error
    with staging as staged:
        _download(Path(staged), folder, damaged)
        _move_files(Path(staged) / FOLDER, folder)
    return folder


def has_cifar10(root: Path) -> bool:
    """Return whether CIFAR-10's files are below the data root and intact; nothing is fetched."""
    return not _bad_files(root / FOLDER)


def load_cifar10(root: Path) -> tuple[LabelledImages, LabelledImages]:
    """Return CIFAR-10's 50,000 training and 10,000 test images, (N, 3, 32, 32), from an intact folder.

    Raises DataError for a file that cannot be read as a batch.
    """
    folder = root / FOLDER
    return _joined([folder / name for name in TRAIN_FILES]), _joined([folder / name for name in TEST_FILES])


class _ArrayUnpickler(pickle.Unpickler):
    """Reads dicts, lists, strings, numbers and arrays of them; refuses whatever else a pickle may name."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _MADE_OF:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return _MADE_OF[module, name]


def _joined(paths: list[Path]) -> LabelledImages:
    images, labels = zip(*map(_read_batch, paths), strict=True)
    return LabelledImages(np.concatenate(images), np.concatenate(labels))


def _read_batch(path: Path) -> tuple[PixelArray, IntArray]:
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy ≥ 2.4 warns of the pickles' age
            batch = _ArrayUnpickler(file, encoding="latin1").load()
        return batch["data"].reshape(-1, 3, 32, 32), np.array(batch["labels"], np.int64)
    except Exception as error:  # a damaged pickle may raise anything
        raise DataError(
            f"{path} is no batch of CIFAR-10 ({error}): replace it with an intact copy."
        ) from error


def _bad_files(folder: Path) -> list[Path]:
    return [
        folder / name
        for name, md5 in (TRAIN_FILES | TEST_FILES).items()
        if not _is_intact(folder / name, md5)
    ]


def _is_intact(path: Path, md5: str) -> bool:
    try:
        check_md5(path.read_bytes(), md5)
    except (OSError, DamagedFileError):
        return False
    return True


def _download(staged: Path, folder: Path, damaged: list[str]) -> None:
    from torchvision.datasets import CIFAR10

    try:
        with by_torchvision():
            CIFAR10(staged, download=True)
    except (OSError, RuntimeError, EOFError, tarfile.TarError, http.client.HTTPException) as error:
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
            raise storage_error(folder, error) from error
        found = f" Damaged and not used: {'; '.join(damaged)}." if damaged else ""
        raise DataError(
            f"CIFAR10 is not complete in {folder}.{found} Tried: {CIFAR10.url}: {error}. "
            f"Put the unpacked files of that archive into {folder} yourself, or allow that address."
        ) from error


def _move_files(source: Path, folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
        for path in source.iterdir():
            path.replace(folder / path.name)
    except OSError as error:
        raise storage_error(folder, error) from error
