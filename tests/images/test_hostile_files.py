"""Files of arrays whose headers lie or that unpack to much: little memory, one sentence, the rest goes on."""

from __future__ import annotations

import gzip
import io
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from euinet.errors import DataError, UsageError
from euinet.images import arrays
from euinet.images.arrays import read_idx_images, read_numpy_images
from euinet.images.given import read_images
from euinet.images.inputs import find_inputs
from euinet.images.preprocessing import Preprocessing

GREY = Preprocessing(1, 8)


def npy(shape: str, data: bytes = b"", *, descr: str = "|u1", order: bool = False, version: int = 1) -> bytes:
    """Return a .npy file with a header of one's own."""
    header = f"{{'descr': {descr!r}, 'fortran_order': {order}, 'shape': {shape}}}\n".encode()
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + data


def npz(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def idx(*dimensions: int, data: bytes = b"", kind: int = 8) -> bytes:
    return bytes([0, 0, kind, len(dimensions)]) + struct.pack(f">{len(dimensions)}I", *dimensions) + data


LIES: dict[str, tuple[bytes, str]] = {
    "negative.npy": (npy("(-5, 28, 28)"), "promises the shape (-5, 28, 28), but it has"),
    "two negative.npy": (npy("(-5, -28, 1)", bytes(140)), "promises the shape (-5, -28, 1)"),
    "nothing.npy": (npy(f"({10**12}, 0, 28)"), "has the shape (1000000000000, 0, 28), but images are"),
    "much.npy": (npy(f"({10**12}, 28, 28)", bytes(100)), "promises the shape"),
    "more than any.npy": (npy(f"({10**40}, 28, 28)"), "promises the shape"),
    "no tuple.npy": (npy("7"), "is damaged or no plain NumPy array"),
    "deep.npy": (npy("(" * 500), "is damaged or no plain NumPy array"),
    "floats.npy": (npy("(1, 8, 8)", bytes(512), descr="<f8"), "holds float64 values"),
    "objects.npy": (npy("(1, 8, 8)", descr="|O"), "holds object values"),
    "header of 4 GB.npy": (b"\x93NUMPY\x03\x00\xff\xff\xff\xff{}", "is damaged or no plain NumPy array"),
    "none.npz": (npz(), "holds 0 arrays"),
    "many.npz": (npz(**{f"a{n}": npy("(0, 8, 8)") for n in range(50)}), "holds 50 arrays"),
    "lying.npz": (npz(a=npy(f"({10**12}, 8, 8)", bytes(99))), "promises the shape"),
    "none at all.idx": (idx(2**32 - 1, 0, 28), "has the shape (4294967295, 0, 28), but images are"),
    "more than nothing.idx": (idx(2**32 - 1, 2**32 - 1, 0), "promises the shape (4294967295, 4294967295, 0)"),
    "absurd.idx": (idx(2**32 - 1, 2**32 - 1, 28), "but its header promises"),
    "absurd, packed.idx": (
        gzip.compress(idx(2**32 - 1, 28, 28), mtime=0),
        "would need more memory than the 1.1 GB",
    ),
    "trailing.idx": (
        gzip.compress(idx(1, 8, 8, data=bytes(64)), mtime=0) + b"trailing",
        "is not an intact gzip file",
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_a_header_that_lies_is_one_row_and_the_rest_goes_on(name: str, tmp_path: Path) -> None:
    content, sentence = LIES[name]
    (tmp_path / name).write_bytes(content)
    Image.new("L", (8, 8), 7).save(tmp_path / "good.png")
    bad, good = find_inputs([str(tmp_path / name), str(tmp_path / "good.png")]).read(GREY)
    assert bad.pixels is None
    assert sentence in (bad.error or "")
    assert (bad.error or "").count("\n") == 0
    assert good.pixels is not None
    with pytest.raises(DataError):
        list(read_images(str(tmp_path / name), GREY))
    if not name.endswith(".idx"):
        (piped,) = find_inputs(["-"], io.BytesIO(content)).read(GREY)
        assert (piped.path, sentence in (piped.error or "")) == ("-", True)
        assert (piped.error or "").startswith("Standard input ")


def test_what_is_honest_is_read(tmp_path: Path) -> None:
    values = np.arange(3 * 64, dtype=np.uint8).reshape(3, 8, 8)
    contents = {
        "c.npy": npy("(3, 8, 8)", values.tobytes()),
        "f.npy": npy("(3, 8, 8)", values.tobytes("F"), order=True),
        "3.npy": npy("(3, 8, 8)", values.tobytes(), version=3),
        "one.npz": npz(a=npy("(3, 8, 8)", values.tobytes())),
        "plain.idx": idx(3, 8, 8, data=values.tobytes()),
        "packed.idx": gzip.compress(idx(3, 8, 8, data=values.tobytes()), mtime=0),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        reads = list(find_inputs([str(tmp_path / name)]).read(GREY))
        np.testing.assert_array_equal([read.pixels[0] for read in reads if read.pixels is not None], values)
    for name, content in {"c.npy": npy("(0, 8, 8)"), "plain.idx": idx(0, 8, 8)}.items():
        (tmp_path / name).write_bytes(content)
        assert find_inputs([str(tmp_path / name)]).images == 0


def test_packed_arrays_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "MOST_UNPACKED", 10_000)
    (tmp_path / "a.npz").write_bytes(npz(a=npy("(200, 8, 8)", bytes(12_800))))
    (tmp_path / "a.gz").write_bytes(gzip.compress(idx(200, 8, 8, data=bytes(12_800)), mtime=0))
    with pytest.raises(DataError, match="would need more memory"):
        read_numpy_images(tmp_path / "a.npz")
    with pytest.raises(DataError, match="would need more memory"):
        read_idx_images(tmp_path / "a.gz")


def test_endless_standard_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return bytes(size)

    monkeypatch.setattr("euinet.images.inputs.MOST_UNPACKED", 2**22)
    with pytest.raises(UsageError, match=r"Standard input has more than .* GB"):
        find_inputs(["-"], Endless())  # type: ignore[arg-type]


def test_bytes_after_a_tilde_on_standard_input_are_no_user() -> None:
    (read,) = find_inputs(["-"], io.BytesIO(b"PAR1\n~\0\x15\n")).read(GREY)
    assert "the image is broken or not an image" in (read.error or "")


BOUNDED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
from euinet.images.inputs import find_inputs
from euinet.images.preprocessing import Preprocessing
reads = list(find_inputs(sys.argv[1:]).read(Preprocessing(1, 8)))
print(sum(read.pixels is None for read in reads), reads[-1].pixels is not None)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS means less elsewhere")
def test_bombs_take_little_memory(tmp_path: Path) -> None:
    """All of them in one process that may have a gigabyte of addresses, its libraries included."""
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    zeros = gzip.compress(bytes(2**27), 1, mtime=0)
    (tmp_path / "a.idx.gz").write_bytes(
        gzip.compress(idx(3, 8, 8), mtime=0) + zeros * 16
    )  # 2 GB behind an honest header
    (tmp_path / "b.npy").write_bytes(b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b" " * 99)

    def table(name: str, cells: Any, **options: Any) -> None:
        columns = {"path": arrow.array(["a.png"] * len(cells)), "bytes": cells}
        parquet.write_table(arrow.table(columns), tmp_path / name, compression="zstd", **options)

    one = arrow.array([bytes(2**24)], arrow.binary())  # 40 times: 670 MB
    repeated = arrow.DictionaryArray.from_arrays(arrow.array(np.zeros(40, np.int32)), one)
    table("c.parquet", repeated, store_schema=False)
    table("d.parquet", arrow.array([bytes(2**28)], arrow.binary()), use_dictionary=False)
    Image.new("L", (8, 8), 7).save(tmp_path / "good.png")
    files = [str(tmp_path / name) for name in ("a.idx.gz", "b.npy", "c.parquet", "d.parquet", "good.png")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    environment |= {"OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    ended = subprocess.run(
        [sys.executable, "-c", BOUNDED, *files], capture_output=True, text=True, env=environment, check=False
    )
    assert ended.stdout == "43 True\n", ended.stderr


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (np.zeros((2, 0, 8), np.uint8), "at least one pixel"),
        (np.zeros((2, 8, 0, 3), np.uint8), "at least one pixel"),
        (np.ma.masked_array(np.zeros((2, 8, 8), np.uint8), mask=True), "is masked"),
        (np.zeros((2, 8, 8), ">f4"), "are >f4 of shape"),
        (np.zeros((2, 8, 8), object), "are object of shape"),
        (np.zeros((2, 8, 8), bool), "are bool of shape"),
        ([[[[[[[[[[[]]]]]]]]]]], "nested more than 8 lists deep"),
    ],
)
def test_arrays_of_python_that_are_no_images(images: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        list(read_images(images, GREY))


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
def test_a_pillow_image_of_nothing(size: tuple[int, int]) -> None:
    with pytest.raises(DataError, match=r"images has no pixels: its size is \d × \d"):
        list(read_images(Image.new("L", size), GREY))
