"""What the inbox's commands print for people; hostile names cannot steer a terminal."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from euinet.inbox.store import Item
from euinet.predict.rows import p_text
from euinet.system.words import aligned

_TIME = "%Y-%m-%d %H:%M"
Row = tuple[str, ...]


def items_table(items: Sequence[Item], total: int) -> str:
    """Return images as a table."""
    if not total:
        return "The inbox has no such image."
    rows: list[Row] = [("last seen (UTC)", "status", "label", "nearest", "p-value", "times", "key", "file")]
    rows += [_item_row(item) for item in items]
    left = "" if len(items) == total else f"\n{total - len(items)} more; --limit shows them."
    return aligned(rows) + left


def summary_text(found: Mapping[str, Any]) -> str:
    """Return what `inbox summary` says."""
    text = (
        f"{found['images']} images ({found['bytes'] / 1e6:.2f} MB): {found['new']} new, {found['labelled']} "
        f"labelled, {found['nuisance']} marked as nuisance."
    )
    if found["labels"]:
        rows: list[Row] = [
            ("label", "images"),
            *((name, str(n)) for name, n in found["labels"].items()),
        ]
        text += "\n" + aligned(rows)
    return text


def limits_text(found: Mapping[str, Any]) -> str:
    """Return what `inbox limits` says."""
    return (
        f"Keeps at most {found['images']:,} images and {found['megabytes']:g} MB; an image for "
        f"{found['days']:g} days after it was last seen, a labelled one for {found['labelled_days']:g}; "
        f"at most {found['per_second']:g} new ones a second."
    )


def drift_text(found: Mapping[str, Any]) -> str:
    """Return what `inbox drift` says."""
    windows = [*found["days"], *found["hours"]]
    if not windows:
        return "No p-value was counted yet."
    rows: list[Row] = [("from (UTC)", "length", "images", "rejected", "p ≤ 0.05", "")]
    rows += [_window_row(window) for window in windows]
    return f"{found['sentence']}\n{found['false_alarms']}\n{aligned(rows)}"


def exported_text(found: Mapping[str, Any]) -> str:
    """Return what `inbox export` says."""
    classes = ", ".join(f"{name} ({count})" for name, count in found["classes"].items())
    text = f"Wrote {found['images']} images to {found['out']}: {classes}."
    if found["removed"]:
        text += f" {found['removed']} files of an earlier export, no longer labelled so, were removed."
    if found["lost"]:
        text += f" {found['lost']} images are lost: their files are gone or damaged."
    return text


def _item_row(item: Item) -> Row:
    return (
        *(_time(item.last_seen), item.status, item.label or ""),
        *(item.best_class, "–" if item.p_value is None else p_text(item.p_value)),
        *(str(item.seen), item.key, item.name),
    )


def _window_row(window: Mapping[str, Any]) -> Row:
    return (
        *(_time(window["start"]), "1 day" if window["hours"] == 24 else "1 hour"),
        *(str(window["images"]), str(window["rejected"]), f"{window['low']:.1%}"),
        "ALARM" if window["alarm"] else "",
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(_TIME)
