"""Write a model's whole decision to one ONNX file, and keep it only if it decides as the model does."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from euinet import __version__
from euinet.errors import ExportError, UsageError
from euinet.export.check import check_export
from euinet.export.decision import DecisionOutputs, ExplainedDecision, ExplainedOutputs, WholeDecision
from euinet.export.gradient import traced
from euinet.predict.onnx_metadata import INPUT, KEY, OnnxMetadata
from euinet.system.files import write_atomically
from euinet.trained.model import Model

if TYPE_CHECKING:
    import onnx

OPSET = 18  # old enough for onnxruntime-web; newer ones add nothing that is used
_CHATTY = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")


def export_onnx(model: Model, path: Path, *, explained: bool = False) -> None:
    """Write `model` to `path` as one ONNX file that holds the whole decision, weights included.

    Its input `images` is uint8 (N, C, H, W) in the model's size, N ≥ 0; its outputs are the fields of
    `DecisionOutputs`, with `explained` those of `ExplainedOutputs`, which the page in a browser shows; its
    metadata is `OnnxMetadata`. The file is compared with the model before it takes
    its place (check.py); what stood at `path` stays until then. Raises UsageError without the packages of the
    extra `export`, ExportError when the model cannot be exported or its file answers differently,
    StorageError when the file cannot be written.
    """
    _check_installed()
    model = _on_the_cpu(model)
    file = _onnx_model(model, explained)
    with write_atomically(path) as temporary:
        temporary.write_bytes(_bytes(file))
        check_export(model, temporary, explained=explained)


def _check_installed() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"Exporting needs the package {error.name}: install it with pip install 'euinet[export]'."
        ) from error


def _on_the_cpu(model: Model) -> Model:
    """Return a copy on the CPU whose weights need no gradient: the traced one is the input's alone."""
    return replace(model, network=copy.deepcopy(model.network).cpu().eval().requires_grad_(False))


def _onnx_model(model: Model, explained: bool) -> onnx.ModelProto:
    """Return the ONNX model of `model`. Raises ExportError when one of its operations has none."""
    module = (ExplainedDecision if explained else WholeDecision)(model).eval()
    card = model.card
    # 0 and 1 images, and as many as there are channels, would be taken for a fixed number
    example = torch.zeros(5, card.channels, card.image_size, card.image_size, dtype=torch.uint8)
    try:
        with _quiet():
            graph = module if card.preset.scoring.epsilon == 0 else traced(module, example)
            program = torch.onnx.export(
                graph,
                (example,),
                dynamo=True,
                input_names=[INPUT],
                output_names=output_names(model, explained),
                dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
                opset_version=OPSET,
                external_data=False,
                verbose=False,
            )
            proto: onnx.ModelProto = program.model_proto  # type: ignore[union-attr]
    except Exception as error:  # torch.export, the exporter and ONNX each have their own kinds
        what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ExportError(
            f"This model cannot be written as ONNX ({what}); predict with its folder instead."
        ) from error
    _label(proto, _metadata(model))
    return proto


def output_names(model: Model, explained: bool = False) -> list[str]:
    """Return the outputs of the model's file, in order: no p-value where there are no calibration scores."""
    fields = ExplainedOutputs._fields if explained else DecisionOutputs._fields
    return [name for name in fields if name != "p_value" or model.calibration]


def _label(proto: onnx.ModelProto, metadata: OnnxMetadata) -> None:
    """Write who made the file and what it is into it, and take out where its maker's source files lay."""
    for node in proto.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info, *proto.graph.initializer):
        del value.metadata_props[:]
        value.doc_string = ""
    for holder in (proto, proto.graph):
        del holder.metadata_props[:]
    proto.graph.name, proto.graph.doc_string = "euinet", ""
    proto.producer_name, proto.producer_version = "euinet", __version__
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    entry = proto.metadata_props.add()
    entry.key, entry.value = KEY, metadata.to_json()


def _metadata(model: Model) -> OnnxMetadata:
    card, calibration = model.card, model.calibration or None
    classes = len(card.class_names)
    thresholds = np.zeros(classes) if calibration is None else calibration.thresholds(classes)
    per_class = calibration is not None and calibration.per_class
    by_class = None
    if calibration is not None and per_class:
        by_class = tuple(np.bincount(calibration.answers, minlength=classes).tolist())
    return OnnxMetadata(
        class_names=card.class_names,
        preprocessing=card.preprocessing,
        alpha=None if calibration is None else calibration.alpha,
        per_class=per_class,
        calibration_images=0 if calibration is None else len(calibration),
        calibration_images_by_class=by_class,
        threshold=tuple(thresholds.tolist()) if per_class else float(thresholds[0]),
        data="".join(c if c.isprintable() else "?" for c in card.data),  # it may be a folder of any name
        preset=card.preset.name,
        euinet_version=__version__,
    )


def _bytes(proto: onnx.ModelProto) -> bytes:
    try:
        written: bytes = proto.SerializeToString(deterministic=True)
    except Exception as error:  # protobuf's kinds differ between its versions
        raise ExportError(
            f"This model is too large for one ONNX file, which holds 2 GB at most ({type(error).__name__}); "
            "predict with its folder instead."
        ) from error
    return written


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
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
