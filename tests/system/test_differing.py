"""What differs is named by its path, with what there is on both sides."""

from __future__ import annotations

from euinet.system.differing import differing


def test_paths_lead_to_what_differs_and_are_sorted() -> None:
    found = {"seed": 0, "preset": {"gan": {"width": 32, "depth": 2}, "epochs": 3}, "only": [1]}
    wanted = {"seed": 1, "preset": {"gan": {"width": 16, "depth": 2}, "epochs": 3}, "new": {"a": 1}}
    assert list(differing(found, wanted).items()) == [
        ("new", (None, {"a": 1})),
        ("only", ([1], None)),
        ("preset.gan.width", (32, 16)),
        ("seed", (0, 1)),
    ]
    assert differing(found, dict(found)) == {}
    assert differing("damaged", wanted) == {"": ("damaged", wanted)}
