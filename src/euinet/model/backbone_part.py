"""A backbone's graph before a decision's: one file from pixels to p-value, and both parts out of it again.

All nodes and constants of the backbone have names that begin with `backbone/`; what it gives is `embedding`,
an output of the whole file as well. So embeddings are computed once and decided on many times, by the very
file that decides on images.
"""

from dataclasses import replace

from euinet.errors import ExportError
from euinet.model.card import ModelCard
from euinet.model.decision_file import EMBEDDING, KEY, read_description
from euinet.model.onnx_part import OnnxPart

BACKBONE = "backbone/"  # starts the names of its nodes and constants


def with_backbone(decision: bytes, backbone: bytes, card: ModelCard) -> bytes:
    """Return the file of a decision on embeddings with the graph before it that makes them of images.

    `card`: of the whole model. Raises ExportError where the graph gives no `embedding`.
    """
    part = OnnxPart(decision)
    text = part.metadata(KEY)
    if text is None:
        raise ExportError("The decision file says nothing of itself: export it again.")
    try:
        part.put_before(OnnxPart(backbone), EMBEDDING)
    except KeyError as error:
        raise ExportError(f"The backbone's graph has no output '{EMBEDDING}': export it again.") from error
    part.set_metadata(KEY, replace(read_description(text), card=card).to_json())
    return part.to_bytes()


def without_backbone(content: bytes) -> tuple[bytes, bytes]:
    """Return the backbone's graph and the decision on embeddings that `with_backbone` put together.

    Raises ValueError or KeyError for any other file.
    """
    part = OnnxPart(content)
    text = part.metadata(KEY)
    if text is None:
        raise ValueError("it has no description")
    description = read_description(text)
    backbone, decision = part.take_apart(BACKBONE, EMBEDDING)
    decision.set_metadata(KEY, replace(description, card=description.card.of_embeddings()).to_json())
    return backbone.to_bytes(), decision.to_bytes()
