"""The runtime without torch: every command of it in a process in which torch cannot be imported."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import euinet

MODEL = "mnist-without-4"
RUNTIME = (
    *("system", "images", "data", "model", "judging", "predict"),
    *("explain", "inbox", "page", "serve", "cli"),
)
LEARNING = (
    *("torch", "torchvision", "timm", "lightning_fabric", "pytorch_ood"),
    *("sklearn", "matplotlib", "onnx", "onnxscript"),
)
BLOCK = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {LEARNING!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images: ten classes of eight, and what keeps torch out of a process."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "block").mkdir()
    (folder / "block" / "sitecustomize.py").write_text(BLOCK)
    draw = np.random.default_rng(7)  # not that of the noise sets
    for digit in range(10):
        (folder / "data" / str(digit)).mkdir(parents=True)
        for number in range(8):
            pixels = draw.integers(0, 256, (28, 28), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "data" / str(digit) / f"{number}.png")
    return folder


def started(place: Path, *arguments: object) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(place / "block"), *sys.path])}
    command = [sys.executable, "-m", "euinet", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=place, env=environment, text=True, stdout=pipe, stderr=pipe)


def run(place: Path, *arguments: object) -> tuple[int, str, str]:
    with started(place, *arguments) as process:
        out, err = process.communicate(timeout=100)
    return process.returncode, out, err


def done(place: Path, *arguments: object) -> Any:
    code, out, err = run(place, *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_the_block_keeps_torch_out(place: Path) -> None:
    code, _, err = run(place, "train", "--data", "data", "--out", "runs")
    assert (code, err) == (
        2,
        "euinet: train needs the package torch, which is not installed: pip install 'euinet[train]'.\n",
    )
    assert not (place / "runs").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("reproduce",),
        ("benchmark", "--data", "data"),
        ("tune", "--data", "data"),
        ("card", MODEL, "--data", "data"),
        ("predict", MODEL, "data", "--device", "cuda"),
        ("attach", "classifier.onnx", "--data", "data"),
        ("extend", MODEL, "--data", "data"),
    ],
)
def test_what_needs_torch_says_so_in_one_sentence(place: Path, command: tuple[str, ...]) -> None:
    code, out, err = run(place, *command)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"(.*\n)?euinet: .* needs the package \S+, .* pip install 'euinet\[\w+\]'\.\n", err)


def test_every_module_of_the_runtime_can_be_imported(place: Path) -> None:
    package = Path(euinet.__file__).parent
    paths = [path for room in RUNTIME for path in (package / room).rglob("*.py")]
    names = [".".join(path.relative_to(package.parent).with_suffix("").parts) for path in paths]
    assert len(names) > 100
    code = "import sys, importlib\nfor name in sys.argv[1:]:\n    importlib.import_module(name)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(place / "block"), *sys.path])}
    wanted = [name for name in names if not name.endswith("ray_engine")]  # brings what it likes
    ran = subprocess.run(
        [sys.executable, "-c", code, *wanted], env=environment, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_python_api_says_so_too(place: Path) -> None:
    code = "import euinet\nfor name in ('fit', 'attach'):\n    try:\n        getattr(euinet, name)\n"
    code += "    except euinet.UsageError as error:\n        print(error)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(place / "block"), *sys.path])}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines() == [
        f"euinet.{name} needs the package torch, which is not installed: pip install 'euinet[train]'."
        for name in ("fit", "attach")
    ]


def test_a_name_and_an_exported_file_predict_alike(place: Path) -> None:
    by_name = done(place, "predict", MODEL, "data")["predictions"]
    done(place, "export", MODEL, "--onnx", "exported.onnx")
    assert done(place, "predict", "exported.onnx", "data")["predictions"] == by_name
    assert len(by_name) == 80
    assert {row["rejected"] for row in by_name} <= {True, False}


def test_calibrate_a_name_a_folder_and_a_file(place: Path) -> None:
    said = done(place, "calibrate", MODEL, "--alpha", 0.05, "--out", "calibrated")
    assert said["alpha"] == 0.05
    again = done(place, "calibrate", "calibrated", "--data", "data/1", "--alpha", 0.2)
    assert (again["calibration_images"], again["model"]) == (8, "calibrated")
    done(place, "export", "calibrated", "--onnx", "c.onnx")
    last = done(place, "calibrate", "c.onnx", "--alpha", 0.3, "--out", "d.onnx")
    assert (last["calibration_images"], last["model"]) == (8, "d.onnx")


def test_evaluate_with_a_record_and_a_far_set(place: Path) -> None:
    done(place, "export", MODEL, "--onnx", "judged.onnx")
    metrics = done(place, "evaluate", "judged.onnx", "--data", "data", "--ood", "noise-uniform", "--record")
    assert metrics["n_id"] == 9 * metrics["n_ood"] > 0
    assert 0 <= metrics["auroc"] <= 1
    assert metrics["far"]["noise-uniform"]["n_ood"] == 10_000
    assert (place / "judged.record.safetensors").is_file()


def test_models_page_and_help(place: Path) -> None:
    assert len(done(place, "models")["models"]) == 12
    page = done(place, "page", MODEL, "--out", "page")
    assert (page["record"], (place / "page" / "model.onnx").is_file()) == (True, True)
    assert run(place, "--help")[0] == 0


def test_serve_with_an_inbox_and_the_inbox_s_commands(place: Path) -> None:
    with started(place, "serve", MODEL, "--port", 0, "--inbox", "inbox", "--json") as server:
        try:
            assert server.stdout is not None
            text = ""
            while not text.rstrip().endswith("}"):
                text += server.stdout.readline()
            address = json.loads(text)["address"]
            images = [[np.random.default_rng(1).integers(0, 256, (28, 28)).tolist()]]
            for path in ("/v1/predict", "/v1/explain"):
                request = urllib.request.Request(
                    address + path,
                    json.dumps({"images": images[0]}).encode(),
                    {"Content-Type": "application/json"},
                )
                with urllib.request.urlopen(request, timeout=30) as response:
                    assert response.status == 200
            with urllib.request.urlopen(address + "/v1/model", timeout=30) as response:
                assert json.load(response)["name"] == MODEL
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=30)
    assert done(place, "inbox", "summary", "inbox")["images"] == 1
    assert done(place, "inbox", "list", "inbox")["total"] == 1
    assert done(place, "inbox", "drift", "inbox")
