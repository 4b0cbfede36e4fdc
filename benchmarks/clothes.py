"""The user guide's example: a folder of photographs of clothes, made of Fashion-MNIST as PNG files.

    python benchmarks/clothes.py --out runs/clothes

writes OUT/known/CLASS/*.png (eight classes), OUT/unknown/CLASS/*.png (two that the model is never taught,
for the final test alone) and OUT/arrived/*: what might arrive in production, known and unknown clothes among
files that are broken, empty, grey, coloured, transparent, of 16 bits, animated, turned by EXIF, or of 100
megapixels.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from euinet.data.sets.datasets import load_dataset
from euinet.records import Dataset

UNKNOWN = ("Sandal", "Bag")


def write_classes(dataset: Dataset, out: Path, per_class: int) -> None:
    """Write `per_class` training images a class into known/ and a fifth as many of UNKNOWN into unknown/."""
    for number, name in enumerate(dataset.class_names):
        unknown = name in UNKNOWN
        folder = out / ("unknown" if unknown else "known") / name.replace("/", " or ")
        folder.mkdir(parents=True, exist_ok=True)
        own = dataset.train.images[dataset.train.labels == number]
        for index, image in enumerate(own[: per_class // 5 if unknown else per_class]):
            Image.fromarray(image[0]).save(folder / f"{index:05}.png")


def write_arrived(dataset: Dataset, out: Path) -> None:
    """Write OUT/arrived: ten test images of each class, and fifteen files that are not as they should be."""
    folder = out / "arrived"
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(dataset.class_names):
        own = dataset.test.images[dataset.test.labels == number]
        for index, image in enumerate(own[:10]):
            stem = name.replace("/", " or ").replace(" ", "-").lower()
            Image.fromarray(image[0]).save(folder / f"{stem}-{index}.png")
    pixels = dataset.test.images[0, 0]
    grey = Image.fromarray(pixels)
    grey.convert("RGB").save(folder / "x-colour.jpg", quality=95)
    alpha = Image.merge("RGBA", [*grey.convert("RGB").split(), Image.fromarray(np.minimum(pixels, 254))])
    alpha.save(folder / "x-transparent.png")
    Image.fromarray(pixels.astype(np.uint16) * 257).save(folder / "x-16-bit.png")
    frames = [Image.fromarray(np.roll(pixels, shift, axis=1)) for shift in range(3)]
    frames[0].save(folder / "x-animated.gif", save_all=True, append_images=frames[1:])
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° to see it upright
    grey.transpose(Image.Transpose.ROTATE_90).save(folder / "x-turned.jpg", exif=exif, quality=95)
    grey.resize((10_000, 10_000)).save(folder / "x-100-megapixels.jpg")
    Image.new("L", (3, 900), 128).save(folder / "x-narrow.png")
    grey.save(folder / "x-whole.png")
    whole = (folder / "x-whole.png").read_bytes()
    (folder / "x-cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "x-empty.png").write_bytes(b"")
    (folder / "x-text.jpg").write_text("not an image")
    (folder / "x-script.svg.png").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "x-notes.txt").write_text("passed over: it has no image's name")


def main() -> None:
    """Read the arguments and write the folders."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/clothes"))
    parser.add_argument("--per-class", type=int, default=1000)
    parser.add_argument("--data-root", type=Path)
    arguments = parser.parse_args()
    dataset = load_dataset("fashion-mnist", arguments.data_root)
    write_classes(dataset, arguments.out, arguments.per_class)
    write_arrived(dataset, arguments.out)
    print(f"Wrote {arguments.out}/known, {arguments.out}/unknown and {arguments.out}/arrived.")


if __name__ == "__main__":
    main()
