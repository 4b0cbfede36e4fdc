"""Features that stay in their file: indexing chooses rows and reads none, `np.asarray` reads those chosen.

A split of 200,000 images of 1,280 features each would be half a gigabyte of memory, and its four parts as
much again. Here a part is the positions of its rows, eight bytes an image. What is mapped counts as the
file's own pages, which the system takes back when it needs the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from euinet.answers import IntArray


class FeatureRows:
    """An array of features (N, F), whose rows lie at `positions` (N,) of an array (M, F), mapped or not.

    `rows[3]` is one row, an array (F,). `rows[5:9]`, `rows[positions]` and `rows[mask]` are FeatureRows of
    the same file; `np.asarray` of them, and NumPy's functions, read what they hold. Nothing can be
    written. `np.concatenate` of FeatureRows of one file is FeatureRows.
    """

    ndim = 2

    def __init__(self, mapped: np.ndarray, positions: IntArray) -> None:
        if mapped.ndim != 2 or positions.ndim != 1:
            raise ValueError(f"rows {mapped.shape} and positions {positions.shape} must have 2 axes and 1")
        self._mapped, self._positions = mapped, positions

    @property
    def shape(self) -> tuple[int, int]:
        """(N, F)."""
        return len(self._positions), int(self._mapped.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's own."""
        return self._mapped.dtype

    @property
    def size(self) -> int:
        """N · F."""
        return len(self) * self.shape[1]

    def __len__(self) -> int:
        return len(self._positions)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[place] for place in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, tuple):
            first_columns = len(index) == 2 and isinstance(index[1], slice)
            return np.asarray(self[index[0]])[..., index[1]] if first_columns else np.asarray(self)[index]
        chosen = self._positions[index]
        if np.ndim(chosen) == 0:
            return np.array(self._mapped[chosen])
        return FeatureRows(self._mapped, chosen)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("rows that lie in a file cannot become an array without a copy")
        read = np.asarray(self._mapped[self._positions])
        return read if dtype is None else read.astype(dtype, copy=False)

    def tobytes(self) -> bytes:
        """Return the rows' bytes, all of them."""
        return np.asarray(self).tobytes()

    def astype(self, dtype: Any) -> np.ndarray:
        """Return the rows as an array of another kind of numbers."""
        return np.asarray(self, dtype=dtype)

    def __array_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        arguments: tuple[Any, ...],
        options: dict[str, Any],
    ) -> Any:
        if function is np.concatenate and not options and len(arguments) == 1:
            parts = list(arguments[0])
            if all(isinstance(part, FeatureRows) and part._mapped is self._mapped for part in parts):
                return FeatureRows(self._mapped, np.concatenate([part._positions for part in parts]))
        return function(*map(_read, arguments), **{name: _read(value) for name, value in options.items()})


def _read(value: Any) -> Any:
    """Return an argument of a function of NumPy's with arrays for rows, in lists as well."""
    if isinstance(value, FeatureRows):
        return np.asarray(value)
    return [_read(one) for one in value] if isinstance(value, list | tuple) else value
