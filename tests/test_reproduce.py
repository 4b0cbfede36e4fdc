"""The report's experiment on real MNIST, shortened; `make check-full` runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from euinet.experiment import Experiment, run_experiment
from euinet.presets import get_preset
from euinet.training.devices import make_fabric


@pytest.mark.slow
def test_two_epochs_on_mnist_reject_most_zeros_and_few_others(tmp_path: Path) -> None:
    preset = get_preset("report", {"training.epochs": "2"})
    result = run_experiment(Experiment("mnist", ("0",), preset, 0), tmp_path, make_fabric("cpu"), quiet=True)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics == json.loads(json.dumps(result.metrics))
    assert (metrics["n_id"], metrics["n_ood"]) == (9020, 980)
    assert metrics["closed_set_accuracy"] > 0.985
    assert metrics["id_accuracy"] > 0.98
    assert metrics["auroc"] > 0.985
    assert metrics["ood_accuracy"] > 0.5
    for number in (1, *range(6, 22)):
        assert (tmp_path / f"figure-{number:02}.png").stat().st_size > 5000, number
    assert (tmp_path / "report.html").stat().st_size > 100_000
