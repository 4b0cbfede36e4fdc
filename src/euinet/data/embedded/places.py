"""What lies at a place that a user names: class folders, Parquet files or shards."""

import glob
from pathlib import Path

from euinet.data.embedded.folder_listing import list_folder
from euinet.data.embedded.listing import Listing
from euinet.data.embedded.parquet_listing import list_parquet
from euinet.data.embedded.shard_listing import list_shards
from euinet.errors import DataError
from euinet.images.names import PassedOver, image_files
from euinet.system.files import expanded

PARQUET, SHARD = ".parquet", ".tar"
_PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


def list_images(place: str | Path) -> Listing:
    """Return the images of a folder of class folders, of Parquet files or of shards of WebDataset.

    A pattern such as 'shards/*.tar' names several files, and so does a folder that has no images, but such
    files. Raises DataError, one sentence, where it cannot be known which images are of which class,
    UsageError where a package is missing.
    """
    path = expanded(place)
    files = packed_files(path)
    if files is None:
        return list_folder(path)
    kinds = {file.suffix.lower() for file in files}
    if len(kinds) > 1:
        raise DataError(f"{path} has Parquet files and shards (.tar): give a folder of one kind.")
    return (list_parquet if kinds == {PARQUET} else list_shards)(path, files)


def packed_files(path: Path) -> list[Path] | None:
    """Return the Parquet files or shards that a place leads to, sorted; None for a folder of image files.

    Raises DataError where there is nothing.
    """
    if path.is_dir():
        if next(image_files(path, PassedOver()), None) is not None:
            return None
        files = [found for found in sorted(path.rglob("*")) if _is_packed(found)]
        return files or None
    if path.is_file():
        found = [path]
    elif glob.has_magic(str(path)):
        found = [Path(match) for match in sorted(glob.glob(str(path)))]  # noqa: PTH207 (absolute patterns)
    else:
        found = []
    for file in found:
        if file.name.lower().endswith(_PACKED):
            raise DataError(
                f"{file} is a compressed shard: unpack it to a plain .tar, which images can be read from."
            )
    files = [file for file in found if _is_packed(file)]
    if len(files) < len(found) or not files:
        raise DataError(
            f"{path} {'is none of these' if found else 'leads to nothing'}: give a folder of class folders, "
            "Parquet files of images, or shards of WebDataset (.tar)."
        )
    return files


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() in (PARQUET, SHARD) and not path.name.startswith(".") and path.is_file()
