"""What a model answered for its test images, kept beside it: enough to see what any alpha would do.

In: a model and its test images, once (`make`). Out: a small file (`store`), the operating point at any alpha
(`operating`), and the same as JSON for the page.
"""

from __future__ import annotations

from euinet.test_record.operating import Costs, OperatingPoint, alpha_grid, least_cost, operating_point
from euinet.test_record.record import RecordGroup, TestRecord
from euinet.test_record.store import RECORD_FILE, load_record, save_record

__all__ = [
    "RECORD_FILE",
    "Costs",
    "OperatingPoint",
    "RecordGroup",
    "TestRecord",
    "alpha_grid",
    "least_cost",
    "load_record",
    "operating_point",
    "save_record",
]
