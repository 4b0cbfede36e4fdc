from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from euinet.errors import DataError
from euinet.images.names import Names, PassedOver, walk


def test_names_come_back_whole_and_in_parts() -> None:
    wanted = ["a.png", "", "ü/é.png", "\udcff.png", "z" * 300]
    names = Names()
    for name in wanted:
        names.append(name)
    assert (list(names), len(names)) == (wanted, 5)
    for start in range(6):
        for stop in range(start, 6):
            assert list(names.part(start, stop)) == wanted[start:stop]
    with pytest.raises(IndexError):
        names[5]


def test_a_hundred_thousand_names_need_less_than_50_bytes_each() -> None:
    tracemalloc.start()
    names = Names()
    for index in range(100_000):
        names.append(f"2024/05/image-{index:07}.png")  # 25 bytes
    needed, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert needed < 40 * 100_000
    assert most < 50 * 100_000
    assert names[99_999] == "2024/05/image-0099999.png"


def test_files_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in (
        *(
            "b.png",
            "a/z.png",
            "a!.png",
            "a.png",
            "a/b/c.png",
            "a/b.png",
            "a b/1.png",
            "B.png",
            "ü.png",
            "a/0",
        ),
        *("a-b/c.png", "ab.png", "😀.png", "a/b/c/d/e.png"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "linked.png").symlink_to(tmp_path / "b.png")
    expected = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert [tmp_path / name for name in walk(tmp_path, PassedOver())] == expected
    assert len(expected) == 15


def test_hidden_files_and_links_to_nowhere_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "a.png").touch()
    (tmp_path / ".b.png").touch()
    (tmp_path / "c.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "again").symlink_to(tmp_path)
    assert list(walk(tmp_path, passed := PassedOver())) == []
    assert (passed.links, passed.count) == (3, 3)


def test_a_folder_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"The folder .*gone cannot be read \(No such file"):
        list(walk(tmp_path / "gone", PassedOver()))
