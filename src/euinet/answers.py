"""What EuiNet answers for images, as plain NumPy arrays: the same record whoever computed it."""

import html
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

REJECT = -1
"""Predicted label that means "none of these"."""
UNREADABLE = -2
"""Predicted label of an image that could not be read, or that the model has no answer for."""

FloatArray = npt.NDArray[np.floating[Any]]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
SHOWN_ROWS = 20  # in a notebook
BoolArray = npt.NDArray[np.bool_]
PixelArray = npt.NDArray[np.uint8]
"""Stored pixels, 0 … 255; images are (N, C, H, W)."""
StoredArray = npt.NDArray[Any]
"""What a model reads, as it is stored: images, uint8 (N, C, H, W), or embeddings, float (N, F)."""
Digests = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Answer:
    """EuiNet's answer for one image."""

    label: str | None  # a class's name; None: none of these
    best_class: str  # the classifier's own choice, rejected or not
    rejected: bool
    ood_score: float  # higher = more out-of-distribution
    p_value: float | None  # share of known images that look as odd; None without calibration scores
    reject_probability: float  # of "none of these" in the one softmax
    probabilities: dict[str, float]  # of each class in the one softmax

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return dict(vars(self))


@dataclass(frozen=True, eq=False)
class Answers:
    """EuiNet's answers for N images, K known classes. `answers[i]` is one; iterate for all."""

    class_names: tuple[str, ...]  # of the K known classes, in label order
    labels: IntArray  # (N,), 0 … K−1, REJECT or UNREADABLE
    best_classes: IntArray  # (N,), 0 … K−1; −1 where unreadable
    ood_score: FloatArray  # (N,), higher = more out-of-distribution; rejected where above the threshold
    p_value: FloatArray | None  # (N,), 1/(n+1) … 1; rejected where ≤ α
    probabilities: FloatArray  # (N, K+1), the one softmax; column 0 is "none of these"
    paths: tuple[str, ...] | None = None  # (N,) what each image was called; None where nobody named them
    errors: tuple[str | None, ...] | None = None  # (N,) why an image has no answer; None: all have one

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def rejected(self) -> BoolArray:
        """Which images belong to none of the classes, (N,)."""
        rejected: BoolArray = self.labels == REJECT
        return rejected

    @property
    def names(self) -> list[str | None]:
        """The class names, None where rejected or unreadable."""
        return [self.class_names[label] if label >= 0 else None for label in self.labels]

    def __getitem__(self, index: int) -> Answer:
        label, best = int(self.labels[index]), int(self.best_classes[index])
        if label == UNREADABLE:
            raise ValueError(f"there is no answer for image {index}: {self.errors and self.errors[index]}")
        row = self.probabilities[index].tolist()
        return Answer(
            label=None if label == REJECT else self.class_names[label],
            best_class=self.class_names[best],
            rejected=label == REJECT,
            ood_score=float(self.ood_score[index]),
            p_value=None if self.p_value is None else float(self.p_value[index]),
            reject_probability=row[0],
            probabilities=dict(zip(self.class_names, row[1:], strict=True)),
        )

    def spread(self, places: IntArray, errors: tuple[str | None, ...]) -> "Answers":
        """Return rows (M,) that are these answers at `places` (M,) and UNREADABLE, for its error, at −1."""
        there = places >= 0

        def taken(values: Any, gap: float) -> Any:
            found = np.full((len(places), *values.shape[1:]), gap, values.dtype)
            found[there] = values[places[there]]
            return found

        return replace(
            self,
            labels=taken(self.labels, UNREADABLE),
            best_classes=taken(self.best_classes, -1),
            ood_score=taken(self.ood_score, np.nan),
            p_value=None if self.p_value is None else taken(self.p_value, np.nan),
            probabilities=taken(self.probabilities, np.nan),
            errors=errors,
        )

    @property
    def answered(self) -> BoolArray:
        """Which images have an answer, (N,); the others have an error."""
        answered: BoolArray = self.labels != UNREADABLE
        return answered

    def __iter__(self) -> Iterator[Answer]:
        return (self[index] for index in range(len(self)))

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A row of plain values for each image, as `euinet predict --json` gives it: answer or error."""
        return [self._row(index) for index in range(len(self))]

    def _row(self, index: int) -> dict[str, Any]:
        row: dict[str, Any] = {} if self.paths is None else {"path": self.paths[index]}
        if self.labels[index] == UNREADABLE:
            return {**row, "error": self.errors and self.errors[index]}
        return {**row, **self[index].to_plain()}

    def to_pandas(self) -> Any:
        """Return the rows as a pandas DataFrame, each class's probability in a column of its own.

        Raises ImportError where pandas is not installed.
        """
        import pandas as pd

        return pd.json_normalize(self.rows)

    def _repr_html_(self) -> str:
        """Return a table for notebooks: at most SHOWN_ROWS images."""
        heads = ("", "label", "best class", "p-value", "ood_score")
        lines = []
        for index in range(min(len(self), SHOWN_ROWS)):
            row = self._row(index)
            name = row.get("path", index)
            if "error" in row:
                cells = [name, row["error"], "", "", ""]
            else:
                label = "none of these" if row["label"] is None else row["label"]
                p_value = "" if row["p_value"] is None else f"{row['p_value']:.3g}"
                cells = [name, label, row["best_class"], p_value, f"{row['ood_score']:.3g}"]
            lines.append("".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells))
        more = len(self) - len(lines)
        return (
            f"<table><thead><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr></thead><tbody>"
            + "".join(f"<tr>{line}</tr>" for line in lines)
            + f"</tbody></table>{f'<p>… and {more} more</p>' if more > 0 else ''}"
        )
