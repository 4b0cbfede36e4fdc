"""Write a model's whole decision as one ONNX file, and keep it only if it decides as the network does."""

from __future__ import annotations

import contextlib
import copy
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from euinet.errors import ExportError
from euinet.export.check import check_decision
from euinet.export.decision import DecisionOutputs, WholeDecision
from euinet.export.gradient import traced
from euinet.export.small import halve_constants
from euinet.export.writing import OPSET, as_bytes, label, quiet, reason
from euinet.model.decision_file import (
    EMBEDDING,
    IMAGES,
    KEY,
    WEIGHT,
    Description,
    constants,
    with_calibration,
)
from euinet.networks.folded import fold_batch_norms
from euinet.trained.model import TrainedModel

if TYPE_CHECKING:
    import onnx

_OPEN = (IMAGES, EMBEDDING, "calibration_scores", "calibration_answers")  # arguments of any length
# settings that say how numbers are found, not what is computed with them
_NOT_IN_THE_GRAPH = {"alpha", "known_rejected", "known_lead", "logit_range", "disc_known", "distance_scale"}
MOST_GRAPHS = 16


def decision_file(model: TrainedModel, network: str) -> bytes:
    """Return `model` as one ONNX file that holds the whole decision, weights and calibration included.

    Its input `images` is uint8 (N, C, H, W) in the model's size, N ≥ 0, or `embedding` float32 (N, F) of a
    model with a width; its outputs are the fields of `DecisionOutputs`; its metadata is a `Description`, in
    which `network` is the digest of what makes the scores. The file is compared with the model (check.py).
    Raises ExportError when the model cannot be exported or its file answers differently.
    """
    model = replace(model, network=copy.deepcopy(model.network).cpu().eval().requires_grad_(False))
    decision = WholeDecision(model, fold_batch_norms(model.network, keep_weights=True)).eval()
    kind = _kind(model, decision)
    if kind in _graphs:
        # of another model: what is not in its kind, a backbone's code say, may have changed since
        with contextlib.suppress(ExportError):
            return _checked_file(model, network, decision, _graphs[kind])
    elif len(_graphs) == MOST_GRAPHS:
        _graphs.pop(next(iter(_graphs)))
    _graphs[kind] = _graph(model, decision)
    return _checked_file(model, network, decision, _graphs[kind])


def _checked_file(model: TrainedModel, network: str, decision: WholeDecision, graph: bytes) -> bytes:
    """Return the decision file of a graph with a model's numbers for constants. Raises ExportError."""
    import onnx
    from onnx import numpy_helper

    proto: onnx.ModelProto = onnx.ModelProto.FromString(graph)
    values = {name: value.numpy() for name, value in _weights(decision).items()}
    values |= constants(None, len(model.card.class_names))
    used = {name for node in proto.graph.node for name in node.input}
    proto.graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in values.items() if name in used
    )
    halve_constants(proto)
    description = Description(model.card, network)
    _describe(proto, description)
    content = with_calibration(as_bytes(proto), description, model.calibration)
    check_decision(model, content)
    return content


def _weights(decision: WholeDecision) -> dict[str, Tensor]:
    return {f"{WEIGHT}{name}": value.detach() for name, value in decision.state_dict().items()}


def _kind(model: TrainedModel, decision: WholeDecision) -> _Kind:
    card = model.card
    return _Kind(
        str(decision),
        card.preset.model.model_dump_json(),
        card.preset.scoring.model_dump_json(exclude=_NOT_IN_THE_GRAPH),
        (*card.network_shape, len(card.class_names)),
        tuple((name, tuple(value.shape), value.dtype) for name, value in _weights(decision).items()),
    )


class _Kind(NamedTuple):
    """What decides a model's graph, but for the numbers in it."""

    network: str
    model: str
    scoring: str
    shape: tuple[int, ...]  # of what the network reads, and the number of classes
    weights: tuple[tuple[str, tuple[int, ...], torch.dtype], ...]


_graphs: dict[_Kind, bytes] = {}
"""Graphs whose constants are still inputs. Tracing one takes seconds; a benchmark has dozens of a kind."""


class _Functional(nn.Module):
    """A decision whose weights are arguments, too, after those that it has."""

    def __init__(self, decision: WholeDecision) -> None:
        super().__init__()
        self._held = [decision]  # in a list: else its weights would be this module's
        self._names = list(decision.state_dict())

    def forward(self, *arguments: Tensor) -> DecisionOutputs:
        """Return the decision for its own arguments and then the weights, in the order of its state_dict."""
        count = len(arguments) - len(self._names)
        weights = dict(zip(self._names, arguments[count:], strict=True))
        found: DecisionOutputs = functional_call(self._held[0], weights, arguments[:count])
        return found


def _graph(model: TrainedModel, decision: WholeDecision) -> bytes:
    """Return a graph without constants. Raises ExportError when an operation has no counterpart in ONNX."""
    card, weights = model.card, _weights(decision)
    # 0 and 1 images, and as many as there are channels, would be taken for a fixed number
    images = torch.zeros(5, *card.network_shape, dtype=torch.float32 if card.width else torch.uint8)
    first = EMBEDDING if card.width else IMAGES
    scores = {"calibration_scores": torch.zeros(7), "calibration_answers": torch.zeros(7, dtype=torch.int64)}
    numbers = {name: torch.from_numpy(v) for name, v in constants(None, len(card.class_names)).items()}
    given = {first: images, **numbers, **scores, **weights}
    names = [first, *numbers, *weights]
    arguments = tuple(given[name] for name in names)
    open_lengths = [name in _OPEN for name in names]
    module, anything = _Functional(decision), torch.export.Dim.DYNAMIC
    shapes = tuple({0: anything} if is_open else None for is_open in open_lengths)
    try:
        with quiet():
            still = card.preset.scoring.epsilon == 0
            program = torch.onnx.export(
                module if still else traced(module, arguments, open_lengths),
                arguments,
                dynamo=True,
                input_names=names,
                output_names=list(DecisionOutputs._fields),
                dynamic_shapes=(shapes,) if still else shapes,
                opset_version=OPSET,
                external_data=False,
                verbose=False,
            )
            proto: onnx.ModelProto = program.model_proto  # type: ignore[union-attr]
    except Exception as error:  # torch.export, the exporter and ONNX each have their own kinds
        raise ExportError(
            f"This model cannot be written as ONNX ({reason(error)}); predict with its network instead."
        ) from error
    del proto.graph.input[1:]
    return as_bytes(proto)


def _describe(proto: onnx.ModelProto, description: Description) -> None:
    """Write who made the file and what it is into it."""
    label(proto)
    entry = proto.metadata_props.add()
    entry.key, entry.value = KEY, description.to_json()
