"""How far a long piece of work is, and how long it will take."""

import time

from euinet.system.notify import Notify
from euinet.system.streams import on_terminal

PLAIN_SECONDS = 10.0  # between lines of progress away from a terminal


class Progress:
    """Says how far it is and how long it will take: on a terminal in place, elsewhere now and then."""

    def __init__(self, total: int, notify: Notify, already: int = 0) -> None:
        self.total, self.notify, self.already = total, notify, already  # done by others, in no time
        self.started = self.last = time.monotonic()
        self.on_terminal = on_terminal()

    def show(self, done: int) -> None:
        """Show that `done` images are done, if it is time to."""
        now = time.monotonic()
        if now - self.last < (0.5 if self.on_terminal else PLAIN_SECONDS):
            return
        self.last = now
        rate = (done - self.already) / (now - self.started)
        left = (self.total - done) / max(rate, 1e-9)
        self.notify(f"{done:,} of {self.total:,} images, {rate:,.0f} a second, {left:,.0f} s left")
