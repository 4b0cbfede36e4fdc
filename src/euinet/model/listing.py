"""What `euinet models` shows of each bundled model."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from euinet.errors import StorageError
from euinet.model.bundled import bundled_folder, pretrained_names
from euinet.model.names import CONFIG_FILE, WEIGHTS_FILE
from euinet.system.words import aligned


@dataclass(frozen=True)
class ModelSummary:
    """One bundled model; fractions, as in its own metrics."""

    name: str
    data: str
    held_out: tuple[int, ...]  # the data set's own class numbers
    parameters: int
    closed_set_accuracy: float | None
    auroc: float | None  # None where no class was held out
    file_bytes: int  # of the weights
    command: str | None  # that made the model


def summarize_models() -> tuple[ModelSummary, ...]:
    """Return a summary of each bundled model. Raises StorageError if one is damaged."""
    return tuple(_summary(name) for name in pretrained_names())


def models_table(models: Sequence[ModelSummary]) -> str:
    """Return the summaries as a table for a terminal."""
    if not models:
        return "No models come with this copy of euinet; `euinet train` makes one."
    rows = [("name", "data", "held out", "parameters", "accuracy", "AUROC", "size"), *map(_row, models)]
    return aligned(rows, numbers=range(3, 7))


def _summary(name: str) -> ModelSummary:
    """Read what a list shows, and no weights: that would take torch, and seconds."""
    folder = bundled_folder(name)
    try:
        card = json.loads((folder / CONFIG_FILE).read_text())
        return ModelSummary(
            name=name,
            data=card["data"],
            held_out=tuple(card["unknown_classes"]),
            parameters=_parameters(folder / WEIGHTS_FILE),
            closed_set_accuracy=card["metrics"].get("closed_set_accuracy"),
            auroc=card["metrics"].get("auroc"),
            file_bytes=(folder / WEIGHTS_FILE).stat().st_size,
            command=card.get("command"),
        )
    except Exception as error:  # json, safetensors and the file system each have their own kinds
        raise StorageError(
            f"The bundled model {name} is damaged ({type(error).__name__}): install euinet anew."
        ) from error


def _parameters(weights: Path) -> int:
    """Return the number of trained parameters: in torch these alone are called weight and bias."""
    from safetensors import safe_open

    with safe_open(weights, framework="np") as file:
        return sum(
            math.prod(file.get_slice(name).get_shape())
            for name in file.keys()  # noqa: SIM118  # it has no other way to be walked through
            if name.endswith((".weight", ".bias"))
        )


def _row(model: ModelSummary) -> tuple[str, ...]:
    accuracy = "–" if model.closed_set_accuracy is None else f"{100 * model.closed_set_accuracy:.2f} %"
    return (
        model.name,
        model.data,
        ", ".join(map(str, model.held_out)) or "none",
        f"{model.parameters:,}",
        accuracy,
        "–" if model.auroc is None else f"{model.auroc:.4f}",
        f"{model.file_bytes / 1000:,.0f} kB",
    )
