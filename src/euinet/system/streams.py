"""Standard input, output and error, of whatever kind they are: the one way by which the program speaks.

What a stream cannot encode is escaped; where a reader is slow, it waits. A remark that finds nobody is no
error, a result that finds nobody is: StorageError, once. Nothing that a model, a file or a client brought
steers a terminal.
"""

import io
import os
import select
import sys
from typing import Any, TextIO, cast

from euinet.errors import StorageError
from euinet.system.words import printable

CLEAR_LINE = "\r\033[K"


class _Descriptor(io.RawIOBase):
    """A stream's own bytes; where it would block, it waits."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        self.fileno, self.isatty = raw.fileno, raw.isatty  # type: ignore[method-assign]

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while (count := self.raw.readinto(buffer)) is None:
            select.select((self,), (), ())
        return cast(int, count)

    def write(self, data: Any) -> int:
        while (count := self.raw.write(data)) is None:
            select.select((), (self,), ())
        return cast(int, count)


class _Results(_Descriptor):
    """Standard output: what cannot be written is told once, and then let go."""

    lost = False

    def write(self, data: Any) -> int:
        if self.lost:  # else Python would try again at its end, and tell in its own way
            return len(data)
        try:
            return super().write(data)
        except OSError as error:
            self.lost = True
            if isinstance(error, BrokenPipeError):  # its reader went away, as `| head` does
                raise
            raise StorageError(
                f"The result cannot be printed ({error.strerror or error}): give an output that takes it."
            ) from error


class _Remarks(_Descriptor):
    """Standard error: work goes on where nobody can be told of it."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


class _Harmless(io.TextIOWrapper):
    """Text for a person."""

    def write(self, text: str) -> int:
        super().write(text if text == CLEAR_LINE else _harmless(text))
        return len(text)


def _harmless(text: str) -> str:
    start = "\r" if text.startswith("\r") else ""  # a bar of progress begins its line anew
    return start + printable(text.removeprefix("\r"), keep="\n\t")


def harden_streams() -> None:
    """Put the streams above in the place of Python's own, unless somebody else has put in theirs."""
    _open_closed()
    if sys.stdin is sys.__stdin__:
        sys.stdin = _text(sys.stdin, 0, "rb", _Descriptor)
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text(sys.stdout, 1, "wb", _Results)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(sys.stderr, 2, "wb", _Remarks)


def _open_closed() -> None:
    """Keep the numbers of closed streams, so that no file gets one: a library's message would be in it."""
    for number, wrong_way in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_RDONLY)):
        try:
            os.fstat(number)
        except OSError:  # it is the lowest number that is free; used, it says that it is closed
            os.set_inheritable(os.open(os.devnull, wrong_way), True)


def _text(stream: TextIO | None, number: int, mode: str, kind: type[_Descriptor]) -> TextIO:
    own = io.FileIO(number, mode, closefd=False) if stream is None else stream.buffer
    raw = kind(getattr(own, "raw", own))  # python -u has no buffer between
    encoding = "utf-8" if stream is None else stream.encoding
    if mode == "rb":
        return io.TextIOWrapper(io.BufferedReader(raw), encoding, "surrogateescape")
    harmless = kind is _Remarks or raw.isatty()
    return (_Harmless if harmless else io.TextIOWrapper)(
        io.BufferedWriter(raw), encoding, "backslashreplace", line_buffering=harmless
    )


def tell(text: str, *, end: str = "\n") -> None:
    """Say something about the work on standard error, at once; to nobody where there is none."""
    if sys.stderr is not None:
        sys.stderr.write(text + end)
        sys.stderr.flush()


def clear_line() -> None:
    """Take back what stands in the terminal's line."""
    tell(CLEAR_LINE, end="")


def on_terminal() -> bool:
    """Return whether what is told goes to a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


def print_text(text: str) -> None:
    """Print a command's result, at once. Raises StorageError where it cannot be printed."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
