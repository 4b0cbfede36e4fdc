"""What the page's own search for the cheapest alpha is compared with."""

from collections.abc import Sequence

from euinet.judging.operating import Costs, alpha_grid, basis, expected_cost, fewest, operating_point
from euinet.judging.record import TestRecord
from euinet.model.conformal import Calibration


def least_cost(
    record: TestRecord, calibration: Calibration | None, costs: Costs, unknowns: Sequence[str] | None = None
) -> tuple[float, float] | None:
    """Return the alpha of the grid that costs least, the smallest where several do, and its cost."""
    best: tuple[float, float] | None = None
    for alpha in alpha_grid(fewest(basis(record, calibration), len(record.class_names))):
        cost = expected_cost(operating_point(record, calibration, alpha), costs, unknowns)
        if cost is not None and (best is None or cost < best[1]):
            best = (alpha, cost)
    return best
