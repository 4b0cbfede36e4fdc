"""What every ONNX file written here goes through: a silent exporter, a clean graph, bytes."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from euinet.errors import ExportError
from euinet.system.version import VERSION
from euinet.system.words import quoted

if TYPE_CHECKING:
    import onnx

OPSET = 18  # old enough for onnxruntime-web; newer ones add nothing that is used
_CHATTY = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")


def label(proto: onnx.ModelProto) -> None:
    """Write who made the file into it, leave the number of images open, as N, and take out where its maker's
    source files lay.
    """
    for node in proto.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info, *proto.graph.initializer):
        del value.metadata_props[:]
        value.doc_string = ""
    for holder in (proto, proto.graph):
        del holder.metadata_props[:]
    proto.graph.name, proto.graph.doc_string = "euinet", ""
    proto.producer_name, proto.producer_version = "euinet", VERSION
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"


def as_bytes(proto: onnx.ModelProto) -> bytes:
    """Return a file's content, the same for the same graph. Raises ExportError where it is too large."""
    try:
        written: bytes = proto.SerializeToString(deterministic=True)
    except Exception as error:  # protobuf's kinds differ between its versions
        raise ExportError(
            f"This model is too large for one ONNX file, which holds 2 GB at most ({type(error).__name__}); "
            "predict with its folder instead."
        ) from error
    return written


def reason(error: Exception) -> str:
    """Return why an export failed, on one line: what the exporter raises says the step, its cause why."""
    return quoted(error.__cause__ if isinstance(error.__cause__, Exception) else error)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what the exporter says of its own progress and future off both output streams."""
    loggers = [logging.getLogger(name) for name in _CHATTY]
    levels = [logger.level for logger in loggers]
    silent: Any = io.StringIO()
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(silent),
            contextlib.redirect_stderr(silent),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
