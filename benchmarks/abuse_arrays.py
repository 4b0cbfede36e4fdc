"""Does whatever holds images get answers or one sentence? Hostile arrays and files of arrays, from a seed.

    python benchmarks/abuse_arrays.py [--inputs 6000] [--seed 0]

Arrays of any type, shape and order go to `Model.predict`; .npy, .npz, idx and Parquet files that lie, are cut
or changed go to `euinet predict`'s own way in, to standard input and to the far sets. What may come out: rows
with finite numbers, or one clean sentence. Exits with 1 at anything else, and where the memory grew by more
than SWOLLEN.
"""

from __future__ import annotations

import argparse
import gzip
import io
import math
import random
import resource
import struct
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
from PIL import Image

import euinet
from euinet.data.far.files import read_far_path
from euinet.errors import EuiNetError
from euinet.images.inputs import find_inputs
from euinet.images.preprocessing import Preprocessing
from euinet.predict.rows import as_csv, as_table
from euinet.predict.run import predict_all
from euinet.predict.sinks import RowList
from euinet.system.notify import silent

SWOLLEN = 700.0  # megabytes: a packed array may take a part of them, and is copied once
LENGTHS = (0, 1, 1, 2, 3, 3, 4, 5, 28, 28, 28)
LIES = (-5, -1, 0, 1, 3, 28, 2**31, 2**32 - 1, 10**12, 10**30, 10**4000)
TYPES = ("u1", ">u1", "i1", "?", "u2", ">i8", "f4", ">f8", "c8", "O", "U3", "S2", "M8[s]", [("a", "u1")])
DESCRIPTIONS = ("|u1", "|u1", "|u1", "<f4", ">i8", "|O", "|V3", "[('a', '|u1')]", "\x1b[2J", "(" * 300)


class Drawn:
    """Hostile inputs, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.kinds = {
            "array": self.array,
            "npy": self.npy,
            "npz": self.npz,
            "idx": self.idx,
            "parquet": self.parquet,
        }
        self.bomb = gzip.compress(bytes([0, 0, 8, 3]) + struct.pack(">3I", 3, 8, 8) + bytes(2**28))

    def cut_or_changed(self, content: bytes) -> bytes:
        """Return content as it is, cut, with more behind it, or with some bytes changed."""
        draw, found = self.draw, bytearray(content)
        what = draw.randrange(6)
        if what == 0:
            return content[: draw.randrange(len(content) + 1)]
        if what == 1:
            return content + draw.randbytes(draw.randrange(1, 200))
        if what > 2:
            return content
        for _ in range(draw.randrange(1, 9)):
            found[draw.randrange(len(found))] = draw.randrange(256)
        return bytes(found)

    def array(self) -> Any:
        """Return an array of any type, shape, order and kind."""
        draw = self.draw
        shape = tuple(draw.choice(LENGTHS) for _ in range(draw.randrange(6)))
        if math.prod(shape) > 200_000:
            shape = shape[:3]
        kind: Any = draw.choice((*TYPES, *["u1"] * 20))
        values: Any = np.zeros(shape, kind, "F" if draw.random() < 0.5 else "C")
        if values.ndim and draw.random() < 0.3:
            values = values[::-1].swapaxes(0, draw.randrange(values.ndim))
        values.flags.writeable = values.flags.writeable and draw.random() < 0.7
        if draw.random() < 0.05:
            return np.ma.masked_array(values, mask=draw.random() < 0.5)
        return [values, values[:1]] if values.ndim and draw.random() < 0.1 else values

    def npy(self) -> bytes:
        """Return a .npy file whose header may promise anything."""
        draw = self.draw
        honest = draw.random() < 0.3
        shape = tuple(
            draw.choice((1, 3, 28) if honest else LIES)
            for _ in range(draw.choice((3, 3, 4, draw.randrange(7))))
        )
        data = bytes(max(0, min(math.prod(shape), 100_000)) if honest else draw.randrange(3000))
        text = "(" + "".join(f"{n}," if abs(n) < 10**31 else "1" + "0" * 4000 + "," for n in shape) + ")"
        kind, order = draw.choice(DESCRIPTIONS), draw.choice((True, False))
        header = f"{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {text}}}"
        header = header.replace("'[", "[").replace("]'", "]").ljust(draw.choice((0, 117, 20_000))) + "\n"
        version = draw.choice((1, 1, 1, 2, 3, 9))
        length = draw.choice((len(header),) * 9 + (0, 65_535, 2**32 - 1))
        size = struct.pack("<H", min(length, 65_535)) if version == 1 else struct.pack("<I", length)
        return self.cut_or_changed(b"\x93NUMPY" + bytes([version, 0]) + size + header.encode() + data)

    def npz(self) -> bytes:
        """Return a zip archive of some arrays, or of what is none."""
        draw, file = self.draw, io.BytesIO()
        method = draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
        with zipfile.ZipFile(file, "w", method) as archive:
            for number in range(draw.choice((0, 1, 1, 1, 1, 2, 30))):
                archive.writestr(
                    draw.choice((f"{number}.npy", f"{number}.npy", f"\x1b{number}.txt")), self.npy()
                )
        return self.cut_or_changed(file.getvalue())

    def idx(self) -> bytes:
        """Return an idx file, plain or packed, whose header may promise anything."""
        draw = self.draw
        if draw.random() < 0.01:
            return self.bomb
        dimensions = draw.choice((3, 3, 3, 3, 1, 4, 255))
        shape = [draw.choice((0, 1, 3, 28, 2**31, 2**32 - 1)) for _ in range(min(dimensions, 4))]
        if draw.random() < 0.4:
            shape = [draw.randrange(4), 28, 28]
        header = bytes([0, 0, draw.choice((8, 8, 8, 8, 13)), dimensions]) + struct.pack(
            f">{len(shape)}I", *shape
        )
        content = self.cut_or_changed(header + bytes(math.prod(shape) if math.prod(shape) < 10_000 else 100))
        return self.cut_or_changed(gzip.compress(content)) if draw.random() < 0.5 else content

    def parquet(self) -> bytes:
        """Return a Parquet file of images, of other columns, or of cells that unpack to much."""
        draw, file = self.draw, io.BytesIO()
        rows = draw.choice((0, 1, 5, 200))
        picture = io.BytesIO()
        Image.new("L", (8, 8), draw.randrange(256)).save(picture, "PNG")
        cells = [draw.choice((picture.getvalue(), b"", None, draw.randbytes(50))) for _ in range(rows)]
        images: Any = arrow.array(cells, draw.choice((arrow.binary(), arrow.large_binary())))
        if draw.random() < 0.03 and rows:  # one cell, over and over
            cell = arrow.array([bytes(draw.choice((2**20, 2**25)))], arrow.binary())
            images = arrow.DictionaryArray.from_arrays(arrow.array(np.zeros(rows, np.int32)), cell)
        names = [draw.choice((b"a.png", b"\xff\x1b[2J\xe2\x80\xae", b"", None, b"x" * 40_000)) for _ in cells]
        texts = arrow.array(names, arrow.binary())
        texts = arrow.Array.from_buffers(
            arrow.string(), len(texts), texts.buffers()
        )  # not all of it is UTF-8
        columns: list[tuple[str, Any]] = [("path", texts), ("bytes", images)]
        others = ("path", "bytes", "\x1b]0;", "path.bytes")
        if draw.random() < 0.2:
            columns.append((draw.choice(others), arrow.array([[{"a": 1}]] * len(cells))))
        if draw.random() < 0.1:
            columns[draw.randrange(2)] = (draw.choice(others), arrow.nulls(len(cells)))
        table = arrow.Table.from_arrays([column for _, column in columns], [name for name, _ in columns])
        packed = draw.choice(("none", "snappy", "gzip", "zstd", "brotli"))
        dictionary, group = draw.random() < 0.7, draw.choice((1, 7, 1000))
        if images.type == arrow.dictionary(arrow.int32(), arrow.binary()):
            dictionary, group = True, 1000
        parquet.write_table(
            table, file, group, compression=packed, use_dictionary=dictionary, store_schema=False
        )
        return self.cut_or_changed(file.getvalue())


def cases(seed: int, count: int) -> Iterator[tuple[str, Any]]:
    """Yield so many inputs with the names of their kinds: a file's bytes, or an array."""
    drawn = Drawn(seed)
    kinds = list(drawn.kinds)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        yield kind, drawn.kinds[kind]()


def outcome(model: euinet.Model, folder: Path, kind: str, content: Any, way: int = 0) -> str:
    """Return "answered" or "refused"; anything else is a fault.

    `way`: 0 a path before a sound image, 1 standard input, 2 a far set.
    """
    try:
        if kind == "array":
            rows = model.predict(content).rows
        elif way == 2 and kind != "parquet":
            (folder / f"far.{kind}").write_bytes(content)
            read_far_path(folder / f"far.{kind}", Preprocessing(1, 28))
            return "answered"
        else:
            (folder / f"input.{kind}").write_bytes(content)
            good = folder / "good.png"
            paths = ["-"] if way == 1 else [str(folder / f"input.{kind}"), str(good)]
            Image.new("L", (28, 28)).save(good)
            printed = RowList()
            predict_all(model, find_inputs(paths, io.BytesIO(content)), [printed], silent)
            rows = printed.rows
            if way != 1 and "error" in rows[-1]:
                return "the rest did not go on"
            as_csv(rows, model.class_names).encode()
            if not as_table(rows).replace("\n", "").isprintable():
                return "a table that steers a terminal"
    except EuiNetError as error:
        return "refused" if is_clean(str(error)) else f"an unclean sentence: {error!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return next((fault for row in rows if (fault := _fault(row))), "answered")


def _fault(row: dict[str, Any]) -> str | None:
    if "error" in row:
        return None if is_clean(row["error"]) else f"an unclean sentence: {row['error']!r}"
    numbers = [row["ood_score"], row["p_value"], row["reject_probability"], *row["probabilities"].values()]
    return None if all(map(math.isfinite, numbers)) else f"not finite: {row}"


def is_clean(sentence: str) -> bool:
    """Return whether it is one line that ends as a sentence and can be read."""
    return sentence.endswith(".") and "\n" not in sentence and len(sentence) < 1500


def main() -> None:
    """Try them all, and tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="mnist-without-0")
    parser.add_argument("--inputs", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    model = euinet.load(asked.model)
    model.predict(np.zeros((1, 28, 28), np.uint8))
    found: Counter[tuple[str, str]] = Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        drawn = cases(asked.seed, asked.inputs)
        before = _peak()
        for number, (kind, content) in enumerate(drawn):
            came = outcome(model, Path(folder), kind, content, number // 5 % 3)
            found[kind, came if came in ("answered", "refused") else "wrong"] += 1
            if came not in ("answered", "refused"):
                wrong.append(f"input {number} ({kind}): {came[:300]}")
                print(wrong[-1], file=sys.stderr, flush=True)
    for (kind, came), count in sorted(found.items()):
        print(f"| {kind} | {came} | {count:,} |")
    print(f"seed {asked.seed}; memory {before:.0f} MB before, {_peak():.0f} MB at most")
    if wrong or _peak() - before > SWOLLEN:
        raise SystemExit(f"Not as promised: {len(wrong)} inputs" + (", memory" if not wrong else ""))


def _peak() -> float:
    """Return the most memory that this process ever had, in megabytes (Linux counts in kilobytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
