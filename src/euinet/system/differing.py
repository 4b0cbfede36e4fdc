"""In what two descriptions of a run differ."""

from __future__ import annotations

from collections.abc import Mapping


def differing(found: object, wanted: object, path: str = "") -> list[str]:
    """Return the dotted paths at which two plain values differ, such as "preset.scoring.epsilon"."""
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        return [
            name
            for key in found.keys() | wanted.keys()
            for name in differing(found.get(key), wanted.get(key), f"{path}.{key}" if path else key)
        ]
    return [path] if found != wanted else []
