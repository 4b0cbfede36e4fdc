"""The page refuses in the browser what model/sound.py refuses: front/lib/sound.js, run by node."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")
SCRIPT = """
import { unsound } from %s;
const model = { threshold: [99, 99], class_names: ["dark", "light"] };
const good = { label: [1], best_class: [1], ood_score: [98], p_value: [0.1], probabilities: [0.2, 0.3, 0.5],
  scores: [1, 2, 3], disc_score: [0], disc_added: [0], perturbed: [0, 0], features: [0, 0] };
const whole = new Set(["label", "best_class"]);
const said = (changes) => {
  const found = Object.entries({ ...good, ...changes });
  const typed = found.map(([name, values]) => [name, whole.has(name) ? values : Float32Array.from(values)]);
  return unsound(Object.fromEntries(typed), model);
};
const numbers = Object.keys(good).filter((name) => !whole.has(name));
const hostile = numbers.flatMap((name) => [NaN, Infinity, -Infinity].map((value) => ({ [name]: [value] })));
console.log(JSON.stringify({
  good: [said({}), said({ label: [-1], ood_score: [100] }), said({ p_value: [1] })],
  no_number: hostile.map(said),
  others: [{ probabilities: [0.2, 0.3, 0.4] }, { probabilities: [-0.5, 0.5, 1] }, { p_value: [0] },
    { p_value: [-1] }, { p_value: [1.5] }, { ood_score: [100] }, { label: [-1] }, { label: [0] },
    { best_class: [2], label: [2] }].map(said),
}));
"""


def test_the_page_refuses_what_is_no_answer() -> None:
    module = Path(str(files("euinet") / "page" / "front" / "lib" / "sound.js")).as_uri()
    command = [str(NODE), "--input-type=module", "--eval", SCRIPT % json.dumps(module)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["good"] == [None] * 3
    assert found["no_number"] == ["a number in it is not finite"] * 24
    shares, p_value = (
        "its probabilities do not add up to 1",
        "its p-value is no share of the calibration images",
    )
    label = "its label does not follow from its score"
    assert found["others"] == [
        *(shares, shares, p_value, p_value, p_value, label, label, label),
        "it names a class that it lacks",
    ]
