"""What a person sees of a training: progress with losses and time left, and a log that stays.

`metrics.jsonl` gets one JSON object a row; TensorBoard gets the same numbers if it is installed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

from euinet.system.files import remove_file, storage_error, write_text
from euinet.system.streams import clear_line, on_terminal, tell

METRICS_FILE = "metrics.jsonl"


class TrainingLog:
    """Writes rows of losses to `folder`/metrics.jsonl, TensorBoard and stderr.

    On a terminal one line is rewritten in place; elsewhere a line is written at each epoch's end and
    at most every `plain_seconds` between.
    """

    def __init__(
        self, folder: Path, total_steps: int, *, quiet: bool = False, plain_seconds: float = 30
    ) -> None:
        self.folder = folder
        self.total_steps = total_steps
        self.quiet = quiet
        self.plain_seconds = plain_seconds
        self.on_terminal = on_terminal()
        self.first_step: int | None = None
        self.started = time.monotonic()
        self.last_line = 0.0
        self.writer: Any = None

    def __enter__(self) -> TrainingLog:
        if find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(self.folder / "tensorboard"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.writer is not None:
            self.writer.close()
        if self.on_terminal and not self.quiet:
            tell("")

    def start_with(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Make the file hold these rows and no others.

        They come from the checkpoint: the file may hold rows that a killed run wrote after it, half a row,
        or, after a power failure, fewer.
        """
        path = self.folder / METRICS_FILE
        if rows:
            write_text(path, "".join(json.dumps(dict(row)) + "\n" for row in rows))
            return
        remove_file(path)

    def row(self, row: Mapping[str, float]) -> None:
        """Append one row; it must hold "step" and "epoch"."""
        path = self.folder / METRICS_FILE
        try:
            with path.open("a", encoding="utf-8") as log:
                log.write(json.dumps(dict(row)) + "\n")
        except OSError as error:
            raise storage_error(path, error) from error
        if self.writer is not None:
            for name, value in row.items():
                if name not in ("step", "epoch"):
                    self.writer.add_scalar(name, value, int(row["step"]))
        self._show(row)

    def epoch(self, text: str, *, last: bool) -> None:
        """Show an epoch's line; away from a terminal not more often than other progress, but the last one."""
        if self.on_terminal or last or time.monotonic() - self.last_line >= self.plain_seconds:
            self.last_line = time.monotonic()
            self.notify(text)

    def notify(self, text: str) -> None:
        """Show one line of text."""
        if not self.quiet:
            if self.on_terminal:
                clear_line()
            tell(text)

    def _show(self, row: Mapping[str, float]) -> None:
        now = time.monotonic()
        step = int(row["step"])
        if self.first_step is None:
            self.first_step, self.started = step, now
        if self.quiet or (not self.on_terminal and now - self.last_line < self.plain_seconds):
            return
        self.last_line = now
        line = progress_line(row, self.total_steps, step - self.first_step, now - self.started)
        if self.on_terminal:
            clear_line()
        tell(line, end="" if self.on_terminal else "\n")


def progress_line(row: Mapping[str, float], total_steps: int, steps_done: int, seconds: float) -> str:
    """Return "step 100/400 · epoch 2 · …losses… · 1:20 left" from `steps_done` in `seconds` so far."""
    step = int(row["step"])
    losses = "  ".join(
        f"{name.removesuffix('_loss')} {row[name]:.3f}" for name in row if name.endswith("_loss")
    )
    left = "" if steps_done == 0 else f" · {clock((total_steps - step) * seconds / steps_done)} left"
    return f"step {step}/{total_steps} · epoch {int(row['epoch'])} · {losses}{left}"


def clock(seconds: float) -> str:
    """Return seconds as "m:ss" or "h:mm:ss"."""
    whole = max(0, round(seconds))
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
