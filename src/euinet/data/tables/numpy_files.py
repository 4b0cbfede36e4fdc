"""Arrays in .npy and .npz files: mapped where they lie, and nothing in them executed."""

from pathlib import Path

import numpy as np

from euinet.errors import DataError

_NPY, _ZIP, _START = b"\x93NUMPY", b"PK", 8


def whole_array(path: Path) -> np.ndarray:
    """Return the array of a .npy file, mapped. Raises DataError where it is damaged or holds objects."""
    try:
        with path.open("rb") as file:  # mapped by name below, which would leave the file of an archive open
            start = file.read(_START)
        if start.startswith(_ZIP):
            raise DataError(f"{path} is an archive of arrays: give it the ending .npz.")
        if not start.startswith(_NPY):
            raise ValueError("it does not begin as such a file does")
        found: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except DataError:
        raise
    except Exception as error:  # NumPy has a kind for each way in which a file can lie
        raise _damaged(path, error) from error
    return found


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a .npz file, by name. Raises DataError where it is damaged or holds objects."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # as above; a single array has no `files`
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    what = " ".join(str(error).split())[:120]
    return DataError(f"{path} is damaged or holds no plain arrays ({what}): save it anew.")
