"""Rejected images kept for people to look at: opt-in, bounded, in a folder of the user's.

In: what a server answered (`Inbox.offer`). Out: groups of alike images, labels, an ImageFolder with a new
class for `euinet train`, and the drift of p-values. `inbox.py` has all of it behind one class.
"""

from euinet.inbox.inbox import Inbox
from euinet.inbox.retention import Limits

__all__ = ["Inbox", "Limits"]
