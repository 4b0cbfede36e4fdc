from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from euinet.errors import UsageError
from euinet.images.inputs import Found, Read, find_inputs
from euinet.images.preprocessing import Preprocessing

GREY = Preprocessing(1, 8)


def grey_file(path: Path, value: int, size: int = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (size, size), value).save(path)
    return path


def read_all(found: Found, preprocessing: Preprocessing = GREY) -> list[Read]:
    return list(found.read(preprocessing))


def values(reads: list[Read]) -> list[int]:
    return [int(read.pixels.mean()) for read in reads if read.pixels is not None]


def test_a_folder_gives_its_images_by_name_at_any_depth(tmp_path: Path) -> None:
    grey_file(tmp_path / "b.png", 2)
    grey_file(tmp_path / "a" / "z.png", 1)
    grey_file(tmp_path / ".hidden" / "c.png", 9)
    (tmp_path / "notes.txt").write_text("x")
    found = find_inputs([str(tmp_path)])
    reads = read_all(found)
    assert [read.path for read in reads] == [str(tmp_path / "a" / "z.png"), str(tmp_path / "b.png")]
    assert values(reads) == [1, 2]
    assert (found.images, found.passed_over) == (2, 1)


def test_paths_keep_their_order_and_patterns_are_sorted(tmp_path: Path) -> None:
    for index in (3, 1, 2):
        grey_file(tmp_path / f"{index}.png", index)
    last = grey_file(tmp_path / "0.bmp", 7)
    reads = read_all(find_inputs([str(last), str(tmp_path / "[12].png"), str(tmp_path / "3.*")]))
    assert values(reads) == [7, 1, 2, 3]


def test_a_file_with_brackets_in_its_name_is_that_file(tmp_path: Path) -> None:
    path = grey_file(tmp_path / "photo[1].png", 5)
    grey_file(tmp_path / "photo1.png", 6)
    assert values(read_all(find_inputs([str(path)]))) == [5]


def test_a_broken_file_is_a_row_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    grey_file(tmp_path / "good.png", 3)
    broken, good = read_all(find_inputs([str(tmp_path)]))
    assert broken.pixels is None
    assert broken.error is not None
    assert "broken.png is broken or not an image" in broken.error
    assert good.error is None


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, 8, 8, 1), (3, 1, 8, 8)])
def test_arrays_of_every_layout(shape: tuple[int, ...], tmp_path: Path) -> None:
    array = np.arange(3, dtype=np.uint8).reshape(3, 1, 1) + np.zeros((3, 8, 8), np.uint8)
    np.save(tmp_path / "images.npy", array.reshape(shape))
    reads = read_all(find_inputs([str(tmp_path / "images.npy")]))
    assert values(reads) == [0, 1, 2]
    assert reads[2].path == f"{tmp_path / 'images.npy'}[2]"


def test_any_part_of_mixed_inputs_reads_as_the_whole_does(tmp_path: Path) -> None:
    for index in range(3):
        grey_file(tmp_path / "photos" / f"{index}.png", index)
    np.save(
        tmp_path / "images.npy", np.full((4, 8, 8), 9, np.uint8) + np.arange(4, dtype=np.uint8)[:, None, None]
    )
    archive = tmp_path / "images.npz"
    np.savez(archive, np.full((2, 8, 8), 77, np.uint8))
    found = find_inputs(
        [str(tmp_path / name) for name in ("photos", "images.npy", "images.npz", "photos/1.png")]
    )
    whole = [(read.path, values([read])) for read in read_all(found)]
    assert [value for _, (value,) in whole] == [0, 1, 2, 9, 10, 11, 12, 77, 77, 1]
    assert whole[6][0] == f"{tmp_path / 'images.npy'}[3]"
    assert whole[8][0] == f"{archive}[1]"
    for start in range(11):
        for stop in range(start, 11):
            part = pickle.loads(pickle.dumps(found.part(start, stop)))  # as it is sent to a worker
            assert [(read.path, values([read])) for read in read_all(part)] == whole[start:stop]
            assert part.images == stop - start
    inner = found.part(2, 9).part(3, 6)
    assert [(read.path, values([read])) for read in read_all(inner)] == whole[5:8]


def test_the_identity_of_images_changes_with_any_of_them(tmp_path: Path) -> None:
    grey_file(tmp_path / "a.png", 1)
    grey_file(tmp_path / "b.png", 2)

    def identity() -> str:
        return find_inputs([str(tmp_path)]).identity()

    seen = [identity()]
    assert identity() == seen[0]
    grey_file(tmp_path / "c.png", 3)
    seen.append(identity())
    (tmp_path / "c.png").rename(tmp_path / "d.png")
    seen.append(identity())
    stamp = (tmp_path / "a.png").stat().st_mtime_ns + 1_000_000_000
    os.utime(tmp_path / "a.png", ns=(stamp, stamp))
    seen.append(identity())
    assert len(set(seen)) == 4


def test_a_name_that_is_no_utf8_can_be_written_down(tmp_path: Path) -> None:
    try:
        grey_file(tmp_path / "a.png", 5).rename(tmp_path / os.fsdecode(b"\xff.png"))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (read,) = read_all(find_inputs([str(tmp_path)]))
    assert (read.path, values([read])) == (f"{tmp_path}/\\xff.png", [5])


def test_an_image_of_an_array_is_fitted_as_if_it_were_a_file(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    array = generator.integers(0, 256, (1, 20, 12, 3), np.uint8)
    np.save(tmp_path / "images.npy", array)
    Image.fromarray(array[0]).save(tmp_path / "image.png")
    from_array, from_file = read_all(find_inputs([str(tmp_path / "images.npy"), str(tmp_path / "image.png")]))
    assert from_array.pixels is not None
    np.testing.assert_array_equal(from_array.pixels, from_file.pixels)
    assert from_array.pixels.shape == (1, 8, 8)


@pytest.mark.parametrize("packed", [False, True])
def test_an_idx_file(packed: bool, tmp_path: Path) -> None:
    content = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 8, 8) + bytes([4] * 64 + [5] * 64)
    path = tmp_path / "t10k-images-idx3-ubyte"
    path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    assert values(read_all(find_inputs([str(path)]))) == [4, 5]


def test_standard_input_is_an_image_an_array_or_paths(tmp_path: Path) -> None:
    path = grey_file(tmp_path / "one.png", 8)
    (read,) = read_all(find_inputs(["-"], io.BytesIO(path.read_bytes())))
    assert (read.path, values([read])) == ("-", [8])
    array = io.BytesIO()
    np.save(array, np.full((2, 8, 8), 3, np.uint8))
    assert values(read_all(find_inputs(["-"], io.BytesIO(array.getvalue())))) == [3, 3]
    other = grey_file(tmp_path / "two.png", 9)
    listed = io.BytesIO(f"{other}\n\n{path}\n".encode())
    assert values(read_all(find_inputs(["-"], listed))) == [9, 8]


def test_what_is_wrong_with_paths_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.png does not exist: give image files"):
        find_inputs([str(tmp_path / "nowhere.png")])
    with pytest.raises(UsageError, match="matches nothing"):
        find_inputs([str(tmp_path / "*.png")])
    with pytest.raises(UsageError, match="has no images"):
        find_inputs([str(tmp_path)])
    with pytest.raises(UsageError, match="Standard input is empty"):
        find_inputs(["-"], io.BytesIO(b"\n"))
    with pytest.raises(UsageError, match="names standard input itself"):
        find_inputs(["-"], io.BytesIO(b"-\n"))
    np.save(tmp_path / "floats.npy", np.zeros((2, 8, 8)))
    (tmp_path / "cut.npy").write_bytes(b"\x93NUMPY\x01")
    floats, cut = read_all(find_inputs([str(tmp_path / "floats.npy"), str(tmp_path / "cut.npy")]))
    assert "floats.npy holds float64 values" in (floats.error or "")
    assert "cut.npy is damaged or no plain NumPy array" in (cut.error or "")
