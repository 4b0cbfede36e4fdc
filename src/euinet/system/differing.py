"""In what two descriptions of a run differ."""

from collections.abc import Mapping


def differing(found: object, wanted: object, path: str = "") -> dict[str, tuple[object, object]]:
    """Return what two plain values hold where they differ, by dotted paths such as "preset.scoring.epsilon".

    The paths are sorted; what one lacks is None.
    """
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        return {
            name: values
            for key in sorted(found.keys() | wanted.keys())
            for name, values in differing(
                found.get(key), wanted.get(key), f"{path}.{key}" if path else key
            ).items()
        }
    return {path: (found, wanted)} if found != wanted else {}
