"""Packages that come with an extra: where one is missing, one sentence says which extra brings it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from euinet.errors import UsageError


@contextmanager
def needed(extra: str, by: str) -> Iterator[None]:
    """Turn an import that fails inside, for a package that is not there, into a UsageError.

    `extra` brings the package, `by` is what needs it: the sentence's subject.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or str(error)).partition(".")[0]
        raise UsageError(
            f"{by} needs the package {package}, which is not installed: pip install 'euinet[{extra}]'."
        ) from error
