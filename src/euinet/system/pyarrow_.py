"""pyarrow, asked for where it is needed, with a sentence where it is missing."""

from __future__ import annotations

from typing import Any


def pyarrow_for(purpose: str) -> tuple[Any, Any]:
    """Return pyarrow and pyarrow.parquet. Raises UsageError, which begins with `purpose`, without them."""
    from euinet.errors import UsageError

    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise UsageError(
            f"{purpose} needs pyarrow, which is not installed: pip install 'euinet[parquet]'."
        ) from error
    return arrow, parquet
