"""A model's page as a folder: put it on any web server, or on none but `python -m http.server`."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from euinet.errors import StorageError, UsageError
from euinet.explain.bank import MOST_IMAGES, NeighbourBank, load_bank
from euinet.judging.record import TestRecord
from euinet.judging.record_store import load_record
from euinet.model.model import Model
from euinet.page.facts import model_facts
from euinet.page.files import front_files
from euinet.system.files import PART, expanded, make_folder, storage_error, sync_folder, write_bytes
from euinet.system.notify import Notify

CONFIG = "config.json"
MARK = {
    "backend": "browser",
    "made_by": "euinet page",
}  # config.json; tells a page of ours from other folders


def write_page(
    model: Model,
    name: str,
    out: Path,
    *,
    record_file: Path | None = None,
    data: str | None = None,
    data_root: Path | None = None,
    most_neighbours: int = MOST_IMAGES,
    force: bool = False,
    notify: Notify = lambda _: None,
) -> dict[str, Any]:
    """Write the page of `model`, called `name`, to the folder `out`, and return what was written.

    The page runs the decision file in the browser. Up to `most_neighbours` training images go with it, for
    the nearest ones to be shown, if the data are at hand: `data`, else what the model's card names. The test
    record in `record_file` goes with it too. The folder appears whole or not at all; a
    page of ours is replaced. Raises UsageError for a folder that holds something else, unless `force`: then
    it keeps what it has beside the page. Raises StorageError when it cannot be
    written.
    """
    model.preprocessing  # noqa: B018 (raises where the model reads no images)
    out = expanded(out)
    mixed = check_target(out, force=force)
    bank = load_bank(model, data_root, data=data, most=most_neighbours, notify=notify)
    record = None
    if record_file is not None:
        record = load_record(record_file, model.description.network, notify)
    try:
        with _staged(out) as stage:
            for path, content in _contents(model, name, bank, record):
                (stage / path).parent.mkdir(parents=True, exist_ok=True)
                (stage / path).write_bytes(content)
            model.save_decision(stage / "model.onnx")
            size = sum(path.stat().st_size for path in stage.rglob("*") if path.is_file())
            (_merge if mixed else _swap)(stage, out)
    except OSError as error:
        raise storage_error(out, error) from error
    return {
        "model": name,
        "out": str(out),
        "bytes": size,
        "neighbours": 0 if bank is None else len(bank),
        "record": record is not None,
    }


def check_target(out: Path, *, force: bool) -> bool:
    """Return whether `out` holds other things, to be kept. Raises UsageError when it does without `force`."""
    if out.is_dir():
        if is_page(out) or not any(out.iterdir()):
            return False
        if force:
            return True
        raise UsageError(
            f"{out} is not empty and holds no page that `euinet page` wrote: name another folder, or give "
            "--force to put the page beside what is there."
        )
    if out.exists() or out.is_symlink():
        raise UsageError(f"{out} is no folder: name one that is, or that can be made.")
    return False


def is_page(folder: Path) -> bool:
    """Return whether `euinet page` wrote this folder."""
    try:
        found = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("made_by") == MARK["made_by"]


def _contents(
    model: Model, name: str, bank: NeighbourBank | None, record: TestRecord | None
) -> Iterator[tuple[str, bytes]]:
    """Yield the path and content of each file but the model's."""
    for path, file in front_files(runtime=True).items():
        yield path, file.content
    facts = model_facts(model, name, record=record is not None, neighbours=bank is not None)
    yield CONFIG, _json(MARK)
    yield "model.json", _json(facts)
    if record is not None:
        yield "record.json", _json(record.to_json(model.calibration))
    if bank is not None:
        yield "bank.json", _json({"shape": list(bank.images.shape[1:]), "labels": bank.labels.tolist()})
        yield "bank-images.bin", np.ascontiguousarray(bank.images).tobytes()
        yield "bank-features.bin", bank.features.astype("<f2").tobytes()  # loses nothing: see bank.py


def _json(plain: dict[str, Any]) -> bytes:
    return (json.dumps(plain, allow_nan=False) + "\n").encode()


@contextmanager
def _staged(out: Path) -> Iterator[Path]:
    """Give an empty folder beside `out`; remove it, if it is still there, at the end."""
    out = out.resolve()
    make_folder(out.parent)
    stage = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.", suffix=PART))
    try:
        stage.chmod(0o755)  # mkdtemp's 0700 would keep a web server out
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _swap(stage: Path, out: Path) -> None:
    """Put the finished folder in the place of `out`, which is not there, is empty, or is a page."""
    out = out.resolve()
    old = stage.with_name(stage.name + ".old")
    if out.is_dir():
        out.rename(old)
    try:
        stage.rename(out)
    except OSError:
        with suppress(OSError):
            old.rename(out)
        raise
    sync_folder(out.parent)
    shutil.rmtree(old, ignore_errors=True)


def _merge(stage: Path, out: Path) -> None:
    """Put the finished files into `out`, each whole, beside what it holds; config.json last."""
    paths = sorted(path.relative_to(stage) for path in stage.rglob("*") if path.is_file())
    for path in sorted(paths, key=lambda path: path == Path(CONFIG)):
        if (out / path).is_dir():
            raise StorageError(
                f"{out / path} is a folder, but the page needs a file there: name another folder."
            )
        write_bytes(out / path, (stage / path).read_bytes())
