"""The data floor without torch and its relatives: a process in which importing any of them fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import euinet

HEAVY = ("torch", "torchvision", "lightning_fabric", "pytorch_ood", "sklearn", "scipy", "matplotlib", "onnx")
PACKAGE = Path(euinet.__file__).parent
FLOOR = ("answers.py", "errors.py", "presets.py", "records.py", "system", "images", "data")
JUDGING = ("metrics", "evaluate", "operating", "record")
BLOCKED = f"""
import sys
for name in {HEAVY}:
    sys.modules[name] = None
"""
TASK = """
import numpy as np
from pathlib import Path
from euinet.data.far.overlap import leave_out_known
from euinet.data.far.sets import load_far
from euinet.data.sets.datasets import load_dataset
from euinet.data.split.fingerprint import dataset_fingerprint
from euinet.data.split.holdout import hold_out_classes
from euinet.judging.evaluate import decision_metrics, far_decision_metrics
from euinet.records import Decision

dataset = load_dataset(sys.argv[1], image_size=16)
split = hold_out_classes(dataset, ["c"], validation_fraction=0.2, calibration_fraction=0.2)
far = leave_out_known(load_far("noise-uniform", 1, 16), dataset, split.class_names)
copies = load_far(str(Path(sys.argv[1]) / "c"), 1, 16)


def decide(images):  # as odd as bright
    brightness = images.mean(axis=(1, 2, 3), dtype=np.float32)
    scores = np.stack([brightness, np.full(len(images), 100, np.float32)], axis=1)
    labels = np.where(brightness > 100, -1, 0)
    return Decision(labels, brightness - 100, scores, scores, brightness, brightness)


decision = decide(split.test.images)
metrics = decision_metrics(decision, split.test.labels)
known = decision.ood_score[split.test.labels >= 0]
far_metrics = far_decision_metrics(decide(far.images), known, far)
print(dataset_fingerprint(dataset), metrics["auroc"], far_metrics["auroc"], len(copies.images))
"""


def modules() -> list[str]:
    files = [PACKAGE / name for name in FLOOR]
    paths = [path for file in files for path in (sorted(file.rglob("*.py")) if file.is_dir() else [file])]
    paths += [PACKAGE / "judging" / f"{name}.py" for name in JUDGING]
    names = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in paths]
    return [name.removesuffix(".__init__") for name in names]


def run(code: str, *arguments: object) -> str:
    command = [sys.executable, "-c", BLOCKED + code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_blocked_cannot_be_imported() -> None:
    for name in HEAVY:
        assert run(f"\ntry:\n    import {name}\nexcept ImportError:\n    print('blocked')") == "blocked\n"


def test_every_module_of_the_floor_is_imported() -> None:
    names = modules()
    assert len(names) > 45
    assert {"euinet.data.far.letters", "euinet.data.sets.cifar", "euinet.images.geometry"} <= set(names)
    run("import importlib\n" + "\n".join(f"importlib.import_module({name!r})" for name in names))


def test_a_folder_is_loaded_split_and_judged(tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for name, brightness in (("a", 30), ("b", 60), ("c", 200)):
        (tmp_path / name).mkdir()
        for number in range(10):
            pixels = (brightness + rng.integers(0, 9, (16, 16))).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    fingerprint, auroc, far_auroc, copies = run(TASK, tmp_path).split()
    assert len(fingerprint) == 16
    assert float(auroc) == pytest.approx(1)
    assert float(far_auroc) == pytest.approx(1)
    assert int(copies) == 10
