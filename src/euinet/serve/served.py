"""What one server serves: a model, and what there is beside it (reasons, a test record, an inbox)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from euinet import __version__
from euinet.errors import UsageError
from euinet.predict.engine import Predictor, TorchPredictor, open_predictor
from euinet.system.notify import Notify
from euinet.system.worker_processes import threads_each

if TYPE_CHECKING:
    from euinet.explain import Explainer
    from euinet.inbox import Inbox


@dataclass(frozen=True)
class Served:
    """Everything that answers come from."""

    predictor: Predictor
    facts: dict[str, Any]  # GET /v1/model
    explainer: Explainer | None = None  # None: an exported model, which gives no reasons
    record: dict[str, Any] | None = None  # GET /v1/record
    inbox: Inbox | None = None


def open_served(
    model: str, device: str, data_root: Path | None, inbox: Path | None, notify: Notify
) -> Served:
    """Open `model`, a folder, a bundled model's name or an exported file, and what belongs to it.

    Nothing is downloaded. Raises UsageError when there is no such model, StorageError when it is damaged or
    the inbox cannot be written.
    """
    predictor = open_predictor(model, device)
    if not isinstance(predictor, TorchPredictor):
        if inbox is not None:
            raise UsageError(
                "--inbox needs a model's folder or name, not an exported file: it groups images by what the "
                "network sees in them."
            )
        return Served(predictor, onnx_facts(predictor))
    _leave_a_core()
    from euinet.explain import Explainer, load_bank
    from euinet.judging.record_store import load_record
    from euinet.page import model_facts
    from euinet.pretrained import resolve_model

    trained = predictor.model
    bank = load_bank(trained, data_root, notify=notify)
    record = load_record(resolve_model(model), notify)
    opened = None
    if inbox is not None:
        from euinet.inbox import Inbox

        opened = Inbox.open(inbox, trained, warn=notify)
    facts = model_facts(
        trained,
        predictor.facts.model,
        explain=True,
        record=record is not None,
        inbox=opened is not None,
        neighbours=bank is not None,
    )
    return Served(
        predictor,
        facts,
        Explainer(trained, bank),
        None if record is None else record.to_json(trained.calibration),
        opened,
    )


def _leave_a_core() -> None:
    """Let torch use all cores but one, unless OMP_NUM_THREADS says how many: HTTP needs one for itself."""
    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, threads_each(1) - 1))


def onnx_facts(predictor: Predictor) -> dict[str, Any]:
    """Return of an exported model what `model_facts` returns of a model, as far as the file says it."""
    facts, metadata = predictor.facts, getattr(predictor, "metadata", None)
    threshold = getattr(metadata, "threshold", 0.0)
    return {
        "name": facts.model,
        "data": getattr(metadata, "data", ""),
        "class_names": list(facts.class_names),
        "held_out": [],
        "channels": facts.preprocessing.channels,
        "image_size": facts.preprocessing.image_size,
        "alpha": facts.alpha,
        "per_class": getattr(metadata, "per_class", False),
        "calibration_images": facts.calibration_images,
        "threshold": list(threshold) if isinstance(threshold, tuple) else threshold,
        "settings": {},
        "preset": getattr(metadata, "preset", ""),
        "metrics": {},
        "euinet_version": __version__,
        "features": {"explain": False, "record": False, "inbox": False, "neighbours": False},
    }
