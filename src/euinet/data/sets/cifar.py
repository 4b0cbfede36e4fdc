"""CIFAR-10, by way of torchvision's own class and checksums.

Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009,
https://www.cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import logging
import socket
import sys
import tarfile
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

from euinet.data.sets.ways import CONNECT_SECONDS
from euinet.errors import DataError
from euinet.records import LabelledImages
from euinet.system.files import storage_error
from euinet.system.notify import Notify

# What tells a full or forbidden disk from an unreachable address, both of which are OSError.
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)

logger = logging.getLogger(__name__)


def ensure_cifar10(root: Path, notify: Notify | None = None) -> Path:
    """Return the folder of CIFAR-10's files below the data root; download them unless all are intact.

    Raises DataError naming each damaged file and the reason of the failed download, StorageError when
    a file cannot be written.
    """
    from torchvision.datasets import CIFAR10

    folder = root / str(CIFAR10.base_folder)
    bad = _bad_files(folder)
    if not bad:
        return folder
    damaged = [f"{path} is truncated or altered" for path in bad if path.exists()]
    for complaint in damaged:
        logger.warning("%s; this file is not used", complaint)
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
        _move_files(Path(staged) / CIFAR10.base_folder, folder)
    return folder


def has_cifar10(root: Path) -> bool:
    """Return whether CIFAR-10's files are below the data root and intact; nothing is fetched."""
    from torchvision.datasets import CIFAR10

    return not _bad_files(root / str(CIFAR10.base_folder))


def load_cifar10(root: Path) -> tuple[LabelledImages, LabelledImages]:
    """Return CIFAR-10's 50,000 training and 10,000 test images, (N, 3, 32, 32), from an intact folder."""
    from torchvision.datasets import CIFAR10

    parts = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy ≥ 2.4 warns of the pickles' age
        for train in (True, False):
            part = CIFAR10(root, train=train)
            images = torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous()  # (N, 3, H, W)
            parts.append(LabelledImages(images, torch.tensor(part.targets, dtype=torch.int64)))
    return parts[0], parts[1]


def _bad_files(folder: Path) -> list[Path]:
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import check_integrity

    sums = dict([*CIFAR10.train_list, *CIFAR10.test_list])
    sums[CIFAR10.meta["filename"]] = CIFAR10.meta["md5"]
    paths = {folder / name: md5 for name, md5 in sums.items()}
    return [path for path, md5 in paths.items() if not check_integrity(path, md5)]


def _download(staged: Path, folder: Path, damaged: list[str]) -> None:
    from torchvision.datasets import CIFAR10

    try:
        # stdout belongs to --json; torchvision shows its progress where logs go.
        with _socket_timeout(CONNECT_SECONDS), contextlib.redirect_stdout(sys.stderr):
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


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    # torchvision gives no timeout of its own, and a silent address would hang it for minutes.
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
