"""Packages that not everybody needs, and which extra of euinet brings each."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from euinet.errors import UsageError

EXTRAS = {
    **dict.fromkeys(
        (
            "torch",
            "torchvision",
            "lightning_fabric",
            "pytorch_ood",
            "sklearn",
            "onnx",
            "onnxscript",
            "matplotlib",
            "timm",
        ),
        "train",
    ),
    **dict.fromkeys(("fastapi", "starlette", "uvicorn", "python_multipart", "prometheus_client"), "serve"),
    "optuna": "tune",
    "ray": "scale",
    "pyarrow": "parquet",
}
"""Package as it is imported → extra."""


@contextmanager
def needed_for(what: str) -> Iterator[None]:
    """Turn the lack of a package of an extra, met in the block, into a sentence: "`what` needs …".

    Raises UsageError for a package of `EXTRAS`; what else is missing is a fault of ours, and stays one.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        raise UsageError(
            f"{what} needs the package {package.replace('_', '-')}, which is not installed: "
            f"pip install 'euinet[{EXTRAS[package]}]'."
        ) from error


def pyarrow_for(purpose: str) -> tuple[Any, Any]:
    """Return pyarrow and pyarrow.parquet. Raises UsageError, which begins with `purpose`, without them."""
    with needed_for(purpose):
        import pyarrow
        import pyarrow.parquet
    return pyarrow, pyarrow.parquet
