"""What it costs to score many images: seconds, images a second, and the most memory the command ever held.

    python benchmarks/million.py [--images 1000 10000 100000 1000000] [--kind array|folder]

Images of 28 × 28 random strokes are made in a temporary directory, as one .npy array or as a folder of PNG
files, a thousand a subfolder; then `euinet predict` runs as a process of its own, whose peak memory the
system tells (ru_maxrss). The images are made a few at a time: this script needs no memory for them either.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from PIL import Image

SIDE, AT_A_TIME = 28, 1000


def strokes(images: int) -> Iterator[np.ndarray]:
    """Yield uint8 images (n, 28, 28), n up to 1000: a bright thick random walk on black each."""
    generator = np.random.default_rng(0)
    for start in range(0, images, AT_A_TIME):
        count = min(AT_A_TIME, images - start)
        drawn = np.zeros((count, SIDE, SIDE), np.uint8)
        place = generator.integers(8, 20, (count, 2))
        for _ in range(30):
            place = np.clip(place + generator.integers(-2, 3, (count, 2)), 1, SIDE - 3)
            for down in range(2):
                for right in range(2):
                    drawn[np.arange(count), place[:, 0] + down, place[:, 1] + right] = 255
        yield drawn


def make_array(images: int, folder: Path) -> Path:
    """Write `images` images as one .npy file."""
    path = folder / "images.npy"
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (images, SIDE, SIDE)}
        npy.write_array_header_1_0(file, header)
        for part in strokes(images):
            file.write(part.tobytes())
    return path


def make_folder(images: int, folder: Path) -> Path:
    """Write `images` images as PNG files."""
    place = folder / "images"
    for number, part in enumerate(strokes(images)):
        (place / f"{number:04}").mkdir(parents=True)
        for index, image in enumerate(part):
            Image.fromarray(image).save(place / f"{number:04}" / f"{index:03}.png", compress_level=1)
    return place


def measure(arguments: list[str]) -> tuple[float, float]:
    """Run `euinet` with these arguments; return seconds and megabytes at the peak."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "euinet", *arguments], stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)  # subprocess does not tell the usage of one child
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"euinet {' '.join(arguments)} ended with {process.returncode}")
    return seconds, usage.ru_maxrss / (1024 if platform.system() == "Linux" else 1024**2)


def main() -> None:
    """Make, measure, and print a row for each number of images."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--kind", choices=("array", "folder"), default="array")
    parser.add_argument("--model", default="mnist-without-0")
    parser.add_argument("--out-format", choices=("csv", "json", "parquet"), default="parquet")
    parser.add_argument("--more", nargs=argparse.REMAINDER, default=[], help="Options of euinet predict.")
    asked = parser.parse_args()
    make = {"array": make_array, "folder": make_folder}[asked.kind]
    print(f"{platform.machine()}, {os.cpu_count()} processors; {asked.kind} → .{asked.out_format}")
    print(f"{'images':>9}  {'seconds':>8}  {'images/s':>8}  {'peak MB':>8}")
    for images in asked.images:
        with tempfile.TemporaryDirectory() as place:
            path, out = make(images, Path(place)), Path(place) / f"rows.{asked.out_format}"
            command = ["predict", asked.model, str(path), "--out", str(out), "--device", "cpu", *asked.more]
            seconds, megabytes = measure(command)
        print(f"{images:9,}  {seconds:8.1f}  {images / seconds:8.0f}  {megabytes:8.0f}", flush=True)


if __name__ == "__main__":
    main()
