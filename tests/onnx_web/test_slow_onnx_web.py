"""An exported model in a browser's runtime: onnxruntime-web's wasm backend under Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import euinet
from euinet.data.sets.datasets import load_dataset
from euinet.model.decision_file import OUTPUTS

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
IMAGES = 16


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with check.mjs and onnxruntime-web, which needs npm and the network."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("Node and npm are not installed")
    folder = tmp_path_factory.mktemp("onnx_web")
    for name in ("check.mjs", "package.json"):
        shutil.copy(HERE / name, folder)
    command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund"]
    installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    if installed.returncode != 0:
        pytest.skip(f"npm could not install onnxruntime-web: {installed.stderr.strip()[-300:]}")
    return folder


@pytest.mark.parametrize("name", ["mnist-without-4", "mnist-report"])
def test_it_answers_in_a_browsers_runtime_as_in_python(name: str, node_folder: Path, tmp_path: Path) -> None:
    data = load_dataset("mnist")
    known = data.test.images[data.test.labels != (4 if name == "mnist-without-4" else 0)][-1000:]
    model = euinet.load(name).calibrate(known, 0.01)
    model.save_onnx(tmp_path / "model.onnx")
    images = data.test.images[:IMAGES]
    images.tofile(tmp_path / "images")

    command = ["node", "check.mjs", str(tmp_path / "model.onnx"), str(tmp_path / "images")]
    command += [str(size) for size in images.shape]
    ran = subprocess.run(command, cwd=node_folder, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    found = {output: np.array(values) for output, values in json.loads(ran.stdout).items()}

    wanted = model.run(images, OUTPUTS)
    assert 0 < (wanted["label"] < 0).sum() < IMAGES
    assert set(found) == set(OUTPUTS)
    for output, values in wanted.items():
        if output in ("label", "best_class"):
            np.testing.assert_array_equal(found[output], values)
        else:
            np.testing.assert_allclose(found[output].reshape(values.shape), values, rtol=1e-4, atol=1e-4)
    # and as the network of torch does
    decision = model.torch().decide(images)
    np.testing.assert_array_equal(found["label"], decision.labels)
    np.testing.assert_allclose(found["ood_score"], decision.ood_score, rtol=1e-4, atol=1e-4)
