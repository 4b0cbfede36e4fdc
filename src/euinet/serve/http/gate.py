"""Bounds on what is in the house at a time: images that wait for their answer, bytes that clients sent."""

from __future__ import annotations

from euinet.serve.http.limits import Refused, busy


class Gate:
    """Counts what came in and did not go out yet; beyond `most` it refuses with 503.

    What alone is more than `most` is let in when nothing else is inside.
    """

    def __init__(self, most: int, what: str) -> None:
        self.most, self.inside = most, 0
        self._full = f"The server holds as many {what} as it can: try again in a second."

    def refusal(self) -> Refused:
        """Return what is said at a full gate."""
        return busy(self._full)

    def check(self) -> None:
        """Raise Refused when nothing more can be let in."""
        if self.inside >= self.most:
            raise self.refusal()

    def take(self, count: int) -> None:
        """Let `count` more in. Raises Refused."""
        if self.inside and self.inside + count > self.most:
            raise self.refusal()
        self.inside += count


class Held:
    """A share of a gate that can grow while the block runs, and is given back at its end."""

    def __init__(self, gate: Gate) -> None:
        self.gate, self.count = gate, 0

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *error: object) -> None:
        self.gate.inside -= self.count

    def grow(self, count: int) -> None:
        """Take `count` more. Raises Refused."""
        self.gate.take(count)
        self.count += count


holding = Held
