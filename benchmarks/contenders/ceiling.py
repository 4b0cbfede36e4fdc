"""What this machine can do at most: `python -m contenders.ceiling products`.

Float32 matrix products of 2048 × 2048 in GFLOP/s; copying 100 MB in GB/s, bytes read and written together.
"""

from __future__ import annotations

import torch

from contenders.common import seconds_each, tell

SIDE, FLOATS = 2048, 25_000_000


def main() -> None:
    """Measure both."""
    one, other = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    source, target = torch.randn(FLOATS), torch.empty(FLOATS)
    product = min(seconds_each(lambda: one @ other, 15))
    copy = min(seconds_each(lambda: target.copy_(source), 15))
    tell(gflops=2 * SIDE**3 / product / 1e9, copied=2 * 4 * FLOATS / copy / 1e9)


if __name__ == "__main__":
    main()
