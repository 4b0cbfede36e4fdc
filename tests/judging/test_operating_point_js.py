"""The page's own arithmetic (front/operating_point.js, run by node) against Python's, to the last image."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from record_cases import CALIBRATION, random_record, small_record

from euinet.judging.operating import (
    Costs,
    alpha_grid,
    basis,
    expected_cost,
    fewest,
    least_cost,
    operating_point,
)
from euinet.judging.record import TestRecord
from euinet.model.conformal import Calibration

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")
COSTS = Costs(7, 1.5, 20, 0.2)
SCRIPT = """
import { readFileSync } from "node:fs";
import * as page from %s;
const asked = JSON.parse(readFileSync(0, "utf8"));
const record = page.openRecord(asked.record);
const grid = page.alphaGrid(record.basis.fewest);
const points = grid.map((alpha) => page.operatingPoint(record, alpha));
const costs = points.map((point) => page.expectedCost(point, asked.costs));
const below = page.operatingPoint(record, grid[0] * 0.9);
const rejected = asked.p_values.map((p) => page.rejectedAt(p, asked.alpha, asked.images));
const least = page.leastCost(points, asked.costs);
console.log(JSON.stringify({ grid, points, costs, least, below, rejected, kind: record.basis.kind }));
"""


def in_the_page(record: TestRecord, calibration: Calibration | None, p_values: list[float]) -> dict[str, Any]:
    asked = {
        "record": record.to_json(calibration),
        "costs": vars(COSTS),
        "p_values": p_values,
        "alpha": 0.05,
        "images": 0 if calibration is None else len(calibration),
    }
    module = Path(str(files("euinet") / "page" / "front" / "operating_point.js")).as_uri()
    command = [str(NODE), "--input-type=module", "--eval", SCRIPT % json.dumps(module)]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("case", ["by hand", "random", "per class", "no calibration"])
def test_the_page_finds_what_python_finds(case: str) -> None:
    record, calibration = {
        "by hand": lambda: (small_record(), CALIBRATION),
        "random": lambda: random_record(1),
        "per class": lambda: random_record(2, per_class=True),
        "no calibration": lambda: (random_record(3)[0], None),
    }[case]()
    p_values = []
    if calibration is not None:
        p_values = Calibration(calibration.scores, calibration.answers).p_values(
            record.ood_score, record.best_class
        )
    found = in_the_page(record, calibration, list(p_values))
    classes = len(record.class_names)
    grid = alpha_grid(fewest(basis(record, calibration), classes))
    assert found["grid"] == list(grid)
    assert found["kind"] == ("test" if calibration is None else "calibration")
    assert found["below"] is None
    for alpha, point, cost in zip(grid, found["points"], found["costs"], strict=True):
        expected = operating_point(record, calibration, alpha)
        assert point == expected.to_plain()
        assert cost == pytest.approx(expected_cost(expected, COSTS), rel=1e-12)
    least = least_cost(record, calibration, COSTS)
    assert least is not None
    assert found["least"]["alpha"] == least[0]
    assert found["least"]["cost"] == pytest.approx(least[1], rel=1e-12)
    assert found["rejected"] == [bool(p <= 0.05 + 1e-12) for p in p_values]
