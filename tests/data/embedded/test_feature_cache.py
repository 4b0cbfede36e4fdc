"""The cache through what may happen to it: torn tails, damage, two writers, an emptied folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest

from embedders import MeanEmbedder, make_folder, values
from euinet.data.embedded.cache import INDEX_FILE, ROWS_FILE, FeatureCache, features_folder, open_cache
from euinet.data.embedded.dataset import embed_dataset
from euinet.data.embedded.index import CONTENT, RECORD, content_digest
from euinet.errors import StorageError, UsageError

WIDTH = 4
Opener = Callable[[], FeatureCache]


def contents(*names: int) -> np.ndarray:
    return np.array([content_digest(bytes([name])) for name in names], CONTENT)


def put(cache: FeatureCache, *names: int) -> list[int]:
    """Append rows full of these numbers; a pixel's digest is the number too."""
    features = np.repeat(np.array(names, np.float16)[:, None], WIDTH, axis=1)
    return cache.append(contents(*names), np.array(names, np.uint64), features).tolist()


def get(cache: FeatureCache, *names: int) -> list[int | None]:
    """What the rows of these are full of; None: not known."""
    rows, digests = cache.known(contents(*names))
    read = np.asarray(cache.rows(np.maximum(rows, 0))) if (rows >= 0).any() else np.zeros((len(rows), WIDTH))
    assert all(digest == name for row, digest, name in zip(rows, digests, names, strict=True) if row >= 0)
    return [int(one[0]) if row >= 0 else None for row, one in zip(rows, read, strict=True)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "one"


@pytest.fixture
def opened(folder: Path) -> Iterator[Opener]:
    """Opens the cache in the folder, as often as one likes."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(FeatureCache(folder, WIDTH)))


def test_rows_are_found_by_their_content_in_this_process_and_the_next(folder: Path, opened: Opener) -> None:
    cache = opened()
    assert put(cache, 5, 3, 5, 9) == [0, 1, 0, 2]
    assert put(cache, 3, 7) == [1, 3]
    for one in (cache, opened()):
        assert get(one, 3, 4, 5, 7, 9) == [3, None, 5, 7, 9]
    assert (folder / ROWS_FILE).stat().st_size == 4 * WIDTH * 2
    assert (folder / INDEX_FILE).stat().st_size == 4 * RECORD.itemsize == 4 * 32


def test_two_writers_take_over_what_the_other_added(folder: Path, opened: Opener) -> None:
    one, other = opened(), opened()
    assert put(one, 1, 2) == [0, 1]
    assert get(other, 1) == [None]
    assert put(other, 2, 3) == [1, 2]
    assert get(other, 1, 2, 3) == [1, 2, 3]
    assert put(one, 3, 4) == [2, 3]
    assert (folder / ROWS_FILE).stat().st_size == 4 * WIDTH * 2


@pytest.mark.parametrize("torn", [1, 7, 8, 13])
def test_a_torn_row_or_record_is_computed_anew_and_the_others_stay(
    folder: Path, opened: Opener, torn: int
) -> None:
    put(opened(), 1, 2)
    with (folder / ROWS_FILE).open("ab") as file:  # as if killed while it wrote
        file.write(bytes(range(torn)))
    with (folder / INDEX_FILE).open("ab") as file:
        file.write(bytes(range(torn)))
    cache = opened()
    assert get(cache, 1, 2, 3) == [1, 2, None]
    put(cache, 3, 4)
    assert get(opened(), 1, 2, 3, 4) == [1, 2, 3, 4]


def test_lost_rows_are_computed_anew_and_nobody_gets_anothers(folder: Path, opened: Opener) -> None:
    put(opened(), 1, 2, 3)
    with (folder / ROWS_FILE).open("r+b") as file:
        file.truncate(WIDTH * 2 + 3)
    cache = opened()
    assert get(cache, 1, 2, 3) == [1, None, None]
    put(cache, 8, 9)  # they lie where 2 and 3 lay
    assert get(cache, 1, 2, 3, 8, 9) == [1, None, None, 8, 9]
    put(cache, 3)
    assert get(opened(), 1, 2, 3, 8, 9) == [1, None, 3, 8, 9]


@pytest.mark.parametrize("file", [ROWS_FILE, INDEX_FILE])
def test_every_flipped_byte_is_noticed(folder: Path, opened: Opener, file: str) -> None:
    put(opened(), 1, 2)
    good = (folder / file).read_bytes()
    for place in range(len(good) // 2):
        damaged = bytearray(good)
        damaged[place] ^= 0x10
        (folder / file).write_bytes(damaged)
        assert get(opened(), 1, 2) == [None, 2], place


def test_a_damaged_row_is_written_anew_behind_the_others(folder: Path, opened: Opener) -> None:
    put(opened(), 1, 2)
    damaged = bytearray((folder / ROWS_FILE).read_bytes())
    damaged[0] ^= 1
    (folder / ROWS_FILE).write_bytes(damaged)
    assert put(opened(), 1, 2) == [2, 1]
    assert get(opened(), 1, 2) == [1, 2]


@pytest.mark.parametrize("size", [0, 31])
def test_a_cut_index_costs_its_rows_and_nothing_else(folder: Path, opened: Opener, size: int) -> None:
    put(opened(), 1, 2)
    (folder / INDEX_FILE).write_bytes((folder / INDEX_FILE).read_bytes()[:size])
    cache = opened()
    assert get(cache, 1, 2) == [None, None]
    assert put(cache, 1, 2) == [2, 3]


def test_what_was_emptied_meanwhile_is_told_and_given_out_rows_stay(folder: Path, opened: Opener) -> None:
    cache = opened()
    rows = cache.rows(np.array(put(cache, 1, 2)))
    for path in folder.glob("[ri]*"):
        path.unlink()
    put(opened(), 8, 9)
    with pytest.raises(StorageError, match="was emptied or damaged while it was used: run the command again"):
        put(cache, 3)
    assert np.asarray(rows)[:, 0].tolist() == [1, 2]


def test_a_locked_cache_is_told_of(folder: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    from euinet.data.embedded import cache as module
    from euinet.system.lock import sole_user

    monkeypatch.setattr(module, "PATIENCE", 0.0)
    with sole_user(folder), pytest.raises(UsageError, match=r"Another command has kept .* locked"):
        put(opened(), 1)


def test_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embedder: MeanEmbedder) -> None:
    assert features_folder(tmp_path) == tmp_path / "features"
    assert features_folder() == tmp_path / "cache" / "features"
    monkeypatch.setenv("EUINET_CACHE", "")
    monkeypatch.setenv("EUINET_DATA", str(tmp_path / "data"))
    assert features_folder() == tmp_path / "data" / "features"
    assert open_cache(embedder).folder.parent == features_folder()
    names = {
        open_cache(one, tmp_path).folder.name for one in (embedder, MeanEmbedder(), MeanEmbedder("other"))
    }
    assert len(names) == 2


def test_where_nothing_can_be_written_one_sentence_says_so(tmp_path: Path, embedder: MeanEmbedder) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file"):
        open_cache(embedder, tmp_path / "file")


def test_an_interrupted_pass_goes_on_where_it_stopped(tmp_path: Path) -> None:
    class Interrupted(MeanEmbedder):
        left = 40

        def embed(self, pixels: np.ndarray) -> np.ndarray:
            if self.seen >= self.left:
                raise KeyboardInterrupt
            return super().embed(pixels)

    folder = make_folder(tmp_path / "data", "", count=50)
    first, second = Interrupted(), Interrupted()
    with pytest.raises(KeyboardInterrupt):
        embed_dataset(folder, first)
    assert 40 <= first.seen < 100
    second.left = 1000
    found = embed_dataset(folder, second)
    assert second.seen == 100 - first.seen
    assert sorted(values(found.train.images) + values(found.test.images)) == list(range(100))
