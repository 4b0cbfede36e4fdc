"""Bounds on what is in the house at a time: images that wait for their answer, bytes that clients sent."""

from __future__ import annotations

from euinet.serve.http.limits import busy


class Gate:
    """Counts what came in and did not go out yet; beyond `most` it refuses with 503."""

    def __init__(self, most: int, what: str) -> None:
        self.most, self.inside = most, 0
        self._full = f"The server holds as many {what} as it can: try again in a second."

    def check(self, more: int = 1) -> None:
        """Raise Refused when so many more are too many."""
        if self.inside + more > self.most:
            raise busy(self._full)


class Held:
    """A part of a gate that can grow while the block runs, and is given back at its end.

    What alone is more than the gate's `most` is let in while nothing else is inside: sent again it would be
    no smaller.
    """

    def __init__(self, gate: Gate) -> None:
        self.gate, self.count = gate, 0

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *error: object) -> None:
        self.gate.inside -= self.count

    def grow(self, count: int) -> None:
        """Take `count` more. Raises Refused."""
        if self.gate.inside > self.count:  # others are inside
            self.gate.check(count)
        self.gate.inside += count
        self.count += count
