"""How fast features are computed, beside a plain loop, and that memory does not grow with the images.

    python benchmarks/features.py speed FOLDER [--backbone efficientnet-lite0] [--images 512] [--rounds 5]
    python benchmarks/features.py memory [--images 10000 200000]

`speed`: a folder of class folders, each contender in a process of its own, in turn, round after round; a
ratio is taken within a round, to the faster of the two plain loops (torchvision's ImageFolder and transforms,
torch's DataLoader with a worker a core, the same network in eager mode, channels first and last). `ours` is
`embed_dataset` into an empty cache, `again` the same with the cache full; `decoding` and `network` are its
two halves alone, which says where the time goes. Start-up and building the network are not counted.

`memory`: small JPEGs, no two alike, and a stub for the network, 1,280 numbers an image: the most anonymous
memory that a process held while it listed, read, computed, kept and split them, and then once more from the
cache. (Linux: RssAnon. What is mapped of the cache's file is the file's own, which the system takes back.)
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

CONTENDERS = ("plain", "plain-channels-last", "ours", "again", "decoding", "network")
BATCH, WIDTH, CLASSES = 32, 1280, 10


def child(*arguments: str) -> dict[str, Any]:
    """Run this program as a process of its own and return what it told."""
    done = subprocess.run(
        [sys.executable, __file__, "child", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


def speed(asked: argparse.Namespace) -> None:
    """Measure all contenders in turn and print a row for each."""
    with tempfile.TemporaryDirectory() as place:
        chosen = some_of(asked.folder, Path(place) / "images", asked.images)
        graphs = str(Path(place) / "graphs")
        child("build", asked.backbone, graphs)
        rates: dict[str, list[float]] = {who: [] for who in CONTENDERS}
        for number in range(asked.rounds):
            cache = Path(place) / f"cache-{number}"
            for who in CONTENDERS:
                told = child(who, asked.backbone, graphs, str(chosen), str(cache))
                rates[who].append(told["images"] / told["seconds"])
                print(
                    f"  round {number + 1}: {who}, {rates[who][-1]:.1f} images/s", file=sys.stderr, flush=True
                )
    best = [max(pair) for pair in zip(rates["plain"], rates["plain-channels-last"], strict=True)]
    for who, found in rates.items():
        ratio = [ours / plain for ours, plain in zip(found, best, strict=True)]
        print(f"{who:20}  {spread(found, 1)} images/s  {spread(ratio, 2)} × the faster plain loop")


def spread(values: list[float], digits: int) -> str:
    """Return median (least … most)."""
    middle = statistics.median(values)
    return f"{middle:9,.{digits}f} ({min(values):,.{digits}f} … {max(values):,.{digits}f})"


def some_of(folder: Path, place: Path, count: int) -> Path:
    """Link `count` images of class folders into class folders of their own, the classes in turn."""
    classes = [sorted(one.iterdir()) for one in sorted(folder.iterdir()) if one.is_dir()]
    turns = [file for turn in zip(*classes, strict=False) for file in turn]
    for file in turns[:count]:
        (place / file.parent.name).mkdir(parents=True, exist_ok=True)
        (place / file.parent.name / file.name).symlink_to(file)
    return place


def build(backbone: str, graphs: str) -> dict[str, Any]:
    """Write the network's graph."""
    from euinet.export.published import open_backbone

    open_backbone(backbone, cache_root=Path(graphs))
    return {}


def plain(backbone: str, folder: str, channels_last: bool) -> dict[str, Any]:
    """The loop that everybody writes."""
    import torch
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    from euinet.networks.pretrained import pretrained

    found = pretrained(backbone)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = found.network.to(memory_format=layout)
    steps = [
        transforms.Resize(found.resize, transforms.InterpolationMode(found.interpolation)),
        transforms.CenterCrop(found.image_size),
        transforms.ToTensor(),
        transforms.Normalize(found.mean, found.deviation),
    ]
    images = ImageFolder(folder, transforms.Compose(steps))
    loader = DataLoader(images, BATCH, num_workers=os.cpu_count() or 1)
    features = []
    with torch.inference_mode():
        network(torch.zeros(BATCH, 3, found.image_size, found.image_size).contiguous(memory_format=layout))
        started = time.perf_counter()
        for batch, _ in loader:
            features.append(network(batch.contiguous(memory_format=layout)))
        torch.cat(features)
        return {"images": len(images), "seconds": time.perf_counter() - started}


def ours(who: str, backbone: str, graphs: str, folder: str, cache: str) -> dict[str, Any]:
    """What euinet does, or one half of it."""
    from euinet.data.embedded.dataset import embed_dataset
    from euinet.data.embedded.places import list_images
    from euinet.data.embedded.reading import read_blocks
    from euinet.export.published import open_backbone
    from euinet.model.backbone import OnnxEmbedder

    frozen = open_backbone(backbone, cache_root=Path(graphs))
    embedder = OnnxEmbedder(frozen.content, frozen.preprocessing)
    side = embedder.preprocessing.image_size
    embedder.embed(np.zeros((BATCH, 3, side, side), np.uint8))
    started = time.perf_counter()
    if who in ("ours", "again"):
        found = embed_dataset(folder, embedder, cache_root=Path(cache))
        count = len(found.train) + len(found.test)
    elif who == "decoding":
        nothing = np.zeros(1, np.uint64)
        blocks = read_blocks(
            iter(list_images(folder).contents),
            embedder.preprocessing,
            lambda contents: (np.full(len(contents), -1), nothing.repeat(len(contents))),
        )
        count = sum(len(block.positions) for block in blocks)
    else:
        pixels = np.random.default_rng(0).integers(0, 256, (BATCH, 3, side, side), np.uint8)
        count = 4 * BATCH
        started = time.perf_counter()
        for _ in range(count // BATCH):
            embedder.embed(pixels)
    return {"images": count, "seconds": time.perf_counter() - started}


def memory(asked: argparse.Namespace) -> None:
    """Measure the peak of each number of images and print it."""
    print(f"{'images':>9}  {'first, s':>9}  {'peak, MB':>9}  {'again, s':>9}  {'peak, MB':>9}")
    for images in asked.images:
        with tempfile.TemporaryDirectory() as place:
            make_files(Path(place) / "images", images)
            first, again = (
                child("memory", str(Path(place) / "images"), str(Path(place) / "cache")) for _ in range(2)
            )
        row = (first["seconds"], first["peak"], again["seconds"], again["peak"])
        print(f"{images:9,}  " + "  ".join(f"{value:9.1f}" for value in row), flush=True)


def make_files(place: Path, count: int) -> None:
    """Write small JPEGs of noise into class folders."""
    from PIL import Image

    generator = np.random.default_rng(0)
    for number in range(CLASSES):
        (place / str(number)).mkdir(parents=True)
    for number in range(count):
        pixels = generator.integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(pixels).save(place / str(number % CLASSES) / f"{number}.jpg", quality=50)


class Stub:
    """Features in no time: of each image others, by its place in the pass."""

    width, digest = WIDTH, "stub"

    def __init__(self) -> None:
        from euinet.images.preprocessing import Preprocessing

        self.preprocessing, self.seen = Preprocessing(3, 32), 0

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        """Return noise."""
        self.seen += len(pixels)
        return np.random.default_rng(self.seen).normal(size=(len(pixels), WIDTH)).astype(np.float32)


def hold(folder: str, cache: str) -> dict[str, Any]:
    """Embed and split, and return the seconds and the most anonymous memory, in megabytes."""
    from euinet.data.embedded.dataset import embed_dataset
    from euinet.data.split.holdout import hold_out_classes

    peak, stop = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not stop.wait(0.02):
            peak = max(peak, anonymous())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    started = time.perf_counter()
    hold_out_classes(embed_dataset(folder, Stub(), cache_root=Path(cache)), [0])
    seconds = time.perf_counter() - started
    stop.set()
    watcher.join()
    return {"seconds": seconds, "peak": max(peak, anonymous()) / 1024}


def anonymous() -> int:
    """Return this process's anonymous memory, in kilobytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def main() -> None:
    """Do what is asked."""
    if sys.argv[1:2] == ["child"]:
        who, *rest = sys.argv[2:]
        if who == "build":
            told = build(*rest)
        elif who.startswith("plain"):
            told = plain(rest[0], rest[2], who.endswith("last"))
        elif who == "memory":
            told = hold(*rest)
        else:
            told = ours(who, *rest)
        print(json.dumps(told))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = parser.add_subparsers(required=True)
    fast = parts.add_parser("speed")
    fast.add_argument("folder", type=Path, help="Class folders of photographs.")
    fast.add_argument("--backbone", default="efficientnet-lite0")
    fast.add_argument("--images", type=int, default=512)
    fast.add_argument("--rounds", type=int, default=5)
    fast.set_defaults(run=speed)
    held = parts.add_parser("memory")
    held.add_argument("--images", type=int, nargs="+", default=[10_000, 200_000])
    held.set_defaults(run=memory)
    asked = parser.parse_args()
    asked.run(asked)


if __name__ == "__main__":
    main()
