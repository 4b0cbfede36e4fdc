"""What one server serves: a model, and what there is beside it (reasons, a test record, an inbox)."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from euinet.errors import UsageError
from euinet.explain import Explainer, load_bank
from euinet.inbox import Inbox
from euinet.judging.record_store import load_record, record_path
from euinet.model.model import Model
from euinet.model.opening import find_model, load
from euinet.page.facts import model_facts
from euinet.system.notify import Notify
from euinet.system.worker_processes import threads_each


@dataclass(frozen=True)
class Served:
    """Everything that answers come from."""

    model: Model
    facts: dict[str, Any]  # GET /v1/model
    explainer: Explainer
    record: dict[str, Any] | None = None  # GET /v1/record
    inbox: Inbox | None = None


def open_served(name: str, device: str, data_root: Path | None, inbox: Path | None, notify: Notify) -> Served:
    """Open the model `name`, a folder, a bundled model's name or an exported file, and what belongs to it.

    Nothing is downloaded. Raises UsageError when there is no such model, StorageError when it is damaged or
    the inbox cannot be written.
    """
    model = load(name, device, threads=_threads())
    if inbox is not None and not model.card.reads_images:
        raise UsageError("The inbox keeps images, and this model reads embeddings: leave out --inbox.")
    bank = load_bank(model, data_root, notify=notify)
    record = load_record(record_path(find_model(name)), model.description.network, notify)
    opened = None if inbox is None else Inbox.open(inbox, model, warn=notify)
    facts = model_facts(
        model, model.name, record=record is not None, inbox=opened is not None, neighbours=bank is not None
    )
    shown = None if record is None else record.to_json(model.calibration)
    return Served(model, facts, Explainer(model, bank), shown, opened)


def _threads() -> int:
    """Return all cores but one, unless OMP_NUM_THREADS says how many: HTTP needs one for itself."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() and int(asked) else max(1, threads_each(1) - 1)
