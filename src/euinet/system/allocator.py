"""The C library's memory, kept for the next step instead of given back after each.

A training step frees tens of megabytes and asks for them again. glibc gives such memory back to the system,
which hands it out anew page by page, zeroed: a tenth of a step's time (docs/performance.md).
"""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of glibc's mallopt
KEPT = 1 << 30  # bytes freed at the heap's top before they go back
LARGEST = 1 << 25  # bytes of one block that is kept; glibc allows no more


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, up to a gigabyte; return whether the C library does (glibc)."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    return mallopt is not None and bool(mallopt(_MMAP_THRESHOLD, LARGEST) and mallopt(_TRIM_THRESHOLD, KEPT))
