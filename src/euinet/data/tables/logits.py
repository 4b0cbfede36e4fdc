"""A table's logits, of a classifier that somebody else trained: they are the answers, as they are."""

from pathlib import Path

from euinet.data.tables.reading import given_logits
from euinet.errors import UsageError
from euinet.presets import WITH_LOGITS, Preset, changed_settings, get_preset
from euinet.records import Dataset


def with_logits(preset: Preset, place: str | Path, dataset: Dataset, *, held_out: bool) -> Preset:
    """Return the preset for the table at `place`; with logits in it, their greatest is the class of a row.

    Raises UsageError where they are not one for each class, or a class is to be held out of them.
    """
    logits, classes = given_logits(place), len(dataset.class_names)
    if not logits:
        return preset
    if logits != classes or held_out:
        why = f"they must be one for each of the {classes} classes, in the order of their names"
        if logits == classes:
            why = "no class can be held out of what a classifier was trained on"
        raise UsageError(
            f"The rows of {place} end with {logits} logits, but {why}: correct them, or rename the column to "
            "learn a classifier of its own."
        )
    return get_preset(preset.name, WITH_LOGITS | changed_settings(preset))
