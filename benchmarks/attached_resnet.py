"""A classifier that others trained, attached: do its logits stay, is the promise kept, is it one decision?

    python benchmarks/attached_resnet.py WEIGHTS TEST.parquet [--seeds 5] [--each 400] [--onnx FILE]

WEIGHTS (.safetensors): the CIFAR ResNet-20 of He et al. 2016, section 4.2, shortcuts of option A, with the
keys conv1, bn1, layer1.0.conv1, …, linear. TEST.parquet: images of its classes that it was not trained on
(columns bytes and label, a class's name). For each seed `--each` images a class are drawn as known ones, on
which the classifier is attached, and all others are held back. Printed: the largest difference between the
classifier's own logits and the model's; the shares of held-back images that are rejected at α 0.01 and 0.05,
and their mean; for the first seed the largest difference between the answers of Python, the exported file
and the server.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import warnings
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnxruntime
import pyarrow.parquet
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from euinet.attached.attach import attach
from euinet.model.model import Model
from euinet.model.opening import load
from server_process import ServerProcess

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ALPHAS = (0.01, 0.05)
SERVED = 64  # images sent to the server


class Block(nn.Module):
    """Two convolutions beside a shortcut that has no weights: every second pixel, channels of zeros."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.stride, self.more = (1, 0) if before == after else (2, after - before)
        self.conv1 = nn.Conv2d(before, after, 3, self.stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (B, C, S, S), or (B, 2C, S/2, S/2)."""
        found = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(maps)))))
        if self.more:
            half = self.more // 2
            maps = F.pad(maps[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, self.more - half))
        return F.relu(found + maps)


class ResNet20(nn.Module):
    """He et al. 2016, section 4.2: three stages of three blocks, 16, 32 and 64 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(Block(16, 16) for _ in range(3)))
        self.layer2 = nn.Sequential(Block(16, 32), *(Block(32, 32) for _ in range(2)))
        self.layer3 = nn.Sequential(Block(32, 64), *(Block(64, 64) for _ in range(2)))
        self.linear = nn.Linear(64, len(CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, 10) of normalised images (B, 3, 32, 32)."""
        maps = F.relu(self.bn1(self.conv1(images)))
        maps = self.layer3(self.layer2(self.layer1(maps)))
        logits: Tensor = self.linear(maps.mean(dim=(2, 3)))
        return logits


def classifier_file(weights: Path, path: Path) -> None:
    """Write the classifier as somebody else's ONNX file, which reads normalised images."""
    network = ResNet20().eval()
    network.load_state_dict(load_file(weights))
    warnings.simplefilter("ignore")  # it is the exporter that was used when this classifier was made
    torch.onnx.export(
        network,
        (torch.zeros(1, 3, 32, 32),),
        str(path),
        input_names=["input"],
        output_names=["logits"],
        dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )


def own_logits(classifier: Path, pixels: np.ndarray) -> np.ndarray:
    """Return what the file says of uint8 images (N, 3, 32, 32)."""
    session = onnxruntime.InferenceSession(str(classifier), providers=["CPUExecutionProvider"])
    mean, deviation = (np.array(values, np.float32).reshape(3, 1, 1) for values in (MEAN, DEVIATION))
    found = []
    for start in range(0, len(pixels), 256):
        part = (pixels[start : start + 256].astype(np.float32) / 255 - mean) / deviation
        found.append(session.run(None, {"input": part})[0])
    return np.concatenate(found)


def decoded(contents: list[bytes]) -> np.ndarray:
    """Return images as (N, 3, 32, 32) uint8."""
    return np.stack([np.asarray(Image.open(io.BytesIO(one))).transpose(2, 0, 1) for one in contents])


def known_folder(place: Path, contents: list[bytes], labels: np.ndarray, chosen: np.ndarray) -> Path:
    """Write images into class folders."""
    for at in chosen.tolist():
        folder = place / CLASSES[labels[at]]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{at:05}.jpg").write_bytes(contents[at])
    return place


def differences(model: Model, folder: Path, contents: list[bytes]) -> str:
    """Return how far the exported file and the server are from Python, on some images."""
    pixels = decoded(contents)
    here = model.predict(pixels)
    own = here.p_value
    assert own is not None
    file = folder / "decision.onnx"
    model.save_onnx(file)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    label, score, p_value = session.run(["label", "ood_score", "p_value"], {"images": pixels})
    model.save_pretrained(folder / "served")
    with ServerProcess(str(folder / "served")) as server:
        files = [("file", (f"{at}.jpg", one)) for at, one in enumerate(contents)]
        answered = httpx.post(f"{server.address}/v1/predict", files=files, timeout=60)
        answered.raise_for_status()
        rows: list[dict[str, Any]] = answered.json()["predictions"]

    def apart(scores: Any, p_values: Any) -> str:
        found = (np.abs(np.subtract(scores, here.ood_score)), np.abs(np.subtract(p_values, own)))
        return f"score {found[0].max():.1e}, p-value {found[1].max():.1e}"

    same_file = int((label == here.labels).sum())
    same_server = sum(row["label"] == name for row, name in zip(rows, here.names, strict=True))
    by_server = apart([row["ood_score"] for row in rows], [row["p_value"] for row in rows])
    return (
        f"of {len(contents)} answers: the file gives {same_file} the same ({apart(score, p_value)} at most "
        f"apart), the server {same_server} ({by_server})"
    )


def main() -> None:
    """Attach, and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--each", type=int, default=400, help="known images a class")
    parser.add_argument("--onnx", type=Path, help="where to keep the classifier's file")
    asked = parser.parse_args()
    table = pyarrow.parquet.read_table(asked.images, columns=["bytes", "label"])
    contents, labels = (
        table["bytes"].to_pylist(),
        np.array([CLASSES.index(name) for name in table["label"].to_pylist()]),
    )
    pixels = decoded(contents)
    rejected: dict[float, list[float]] = {alpha: [] for alpha in ALPHAS}
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        classifier = asked.onnx or place / "classifier.onnx"
        classifier_file(asked.weights, classifier)
        own = own_logits(classifier, pixels)
        print(f"the classifier alone is right on {(own.argmax(axis=1) == labels).mean():.2%} of {len(own):,}")
        for seed in range(asked.seeds):
            order = np.random.default_rng(seed).permutation(len(labels))
            known = np.concatenate([order[labels[order] == one][: asked.each] for one in range(10)])
            held = np.setdiff1d(order, known)
            folder = known_folder(place / str(seed) / "known", contents, labels, known)
            at_one = attach(classifier, folder, seed=seed, out=place / str(seed), data_root=place / "cache")
            logits = at_one.run(pixels[held], ("embedding",))["embedding"][:, -10:]
            differ = np.abs(logits - own[held]).max()
            line = f"seed {seed}: logits differ by {differ:.1e} at most; of {len(held):,} held back rejected"
            for alpha in ALPHAS:
                answers = at_one.with_alpha(alpha).answer(pixels[held])
                share = float(answers.rejected.mean())
                rejected[alpha].append(share)
                line += f", at α = {alpha}: {share:.2%}"
            print(line, flush=True)
            if seed == 0:
                model = load(place / "0" / "model")
                chosen = [contents[at] for at in held[:SERVED]]
                print(f"  {differences(model, place, chosen)}", flush=True)
    for alpha, shares in rejected.items():
        spread = f"{min(shares):.2%} … {max(shares):.2%}"
        print(f"α = {alpha}: rejected {statistics.mean(shares):.2%} ({spread}) over {len(shares)} draws")


if __name__ == "__main__":
    main()
