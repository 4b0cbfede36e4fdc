"""What is finished stays finished: rows are written in parts beside the output, and joined at the end.

For `rows.csv` the folder `.rows.csv.parts` holds `job.json`, which says what is computed from what, and for
every finished part its rows (`000007.csv`) and, written after them, their length, digest and counts
(`000007.seal`). A part is a range of positions among the images, so its name says what is in it: whoever
computes it, and how often, it is the same file. All are written whole or not at all.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from euinet.errors import UsageError
from euinet.predict.blocks import BATCH, Block, Tally
from euinet.predict.sinks import FORMATS
from euinet.system.files import write_atomically, write_text
from euinet.system.lock import sole_user

JOB_FILE = "job.json"
_IN_WORDS = {
    "model": "another model",
    "inputs": "other images, or images changed since",
    "images": "other images",
    "part_images": "parts of another size (--part-images)",
    "device": "another --device",
    "version": "another version of euinet",
}


@dataclass(frozen=True)
class Job:
    """What decides every byte of the output."""

    model: str  # digest of the model's files
    class_names: tuple[str, ...]
    inputs: str  # digest of the images' names, sizes and times
    images: int
    part_images: int
    format: str  # the ending of the output
    device: str
    version: str  # of euinet

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return -(-self.images // self.part_images)

    def bounds(self, number: int) -> tuple[int, int]:
        """Return the first image of a part, and the first after it."""
        return number * self.part_images, min((number + 1) * self.part_images, self.images)

    def batches_in(self, number: int) -> int:
        """Return how many batches a part has."""
        start, stop = self.bounds(number)
        return -(-(stop - start) // BATCH)

    def key(self) -> str:
        """Return a digest of all of it."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()


@dataclass(frozen=True)
class Parts:
    """The finished parts of a job."""

    out: Path
    job: Job

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return parts_folder(self.out)

    def rows(self, number: int) -> Path:
        """Return the file of a part's rows."""
        return self.folder / f"{number:06}{self.job.format}"

    def seal(self, number: int) -> Path:
        """Return the file that says that a part is finished, and what is in it."""
        return self.folder / f"{number:06}.seal"

    def write(self, number: int, blocks: Iterable[Block]) -> None:
        """Write a part. Raises StorageError when the file system refuses; finished parts stay."""
        tally = Tally()
        rows = self.rows(number)
        with (
            write_atomically(rows) as temporary,
            FORMATS[self.job.format].part(temporary, self.job.class_names) as sink,
        ):
            for block in blocks:
                sink.write(block)
                tally.add(block)
        sealed = {"job": self.job.key(), "rows": _digest(rows), "tally": tally.to_plain()}
        write_text(self.seal(number), json.dumps(sealed) + "\n")

    def tally(self, number: int) -> Tally | None:
        """Return a part's counts; None when it is not finished, not of this job, or damaged."""
        try:
            sealed: dict[str, Any] = json.loads(self.seal(number).read_bytes())
            if sealed["job"] != self.job.key() or sealed["rows"] != _digest(self.rows(number)):
                return None
            return Tally.from_plain(sealed["tally"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def finished(self) -> dict[int, Tally]:
        """Return the parts that are finished and undamaged, each read through once."""
        found = {number: self.tally(number) for number in range(self.job.parts)}
        return {number: tally for number, tally in found.items() if tally is not None}

    def join(self) -> None:
        """Write the output from all parts, and remove them."""
        paths = [self.rows(number) for number in range(self.job.parts)]
        FORMATS[self.job.format].join(paths, self.out, self.job.class_names)
        remove(self.folder)


def parts_folder(out: Path) -> Path:
    """Return the folder of the parts of the output `out`."""
    return out.parent / f".{out.name}.parts"


@contextmanager
def open_parts(out: Path, job: Job, fresh: bool = False) -> Iterator[Parts]:
    """Give the parts of `job`, those of an earlier run included; no other command may write them meanwhile.

    Finished parts of another job may have cost hours. They are thrown away with `fresh` alone; without,
    UsageError says whose they are. Raises UsageError too when another command is at work, StorageError when
    the folder cannot be written.
    """
    parts = Parts(out, job)
    with sole_user(parts.folder):
        earlier = _read_job(parts.folder)
        if fresh or (earlier != job and not _sealed(parts.folder)):
            _empty(parts.folder)
        elif earlier != job:
            raise UsageError(_refusal(parts, earlier))
        write_text(parts.folder / JOB_FILE, json.dumps(asdict(job), indent=2) + "\n")
        yield parts


def remove(folder: Path) -> None:
    """Remove a folder of parts, the seals first: killed on the way, it leaves no part that seems finished."""
    for seal in folder.glob("*.seal"):
        seal.unlink(missing_ok=True)
    (folder / JOB_FILE).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)  # a command that is just starting may have its lock there


def _empty(folder: Path) -> None:
    for path in folder.glob("[0-9]*"):
        path.unlink(missing_ok=True)


def _sealed(folder: Path) -> int:
    return sum(1 for _ in folder.glob("*.seal"))


def _read_job(folder: Path) -> Job | None:
    try:
        plain = json.loads((folder / JOB_FILE).read_bytes())
        return Job(**{**plain, "class_names": tuple(plain["class_names"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _refusal(parts: Parts, earlier: Job | None) -> str:
    names = _IN_WORDS if earlier is not None else {}
    other = [words for name, words in names.items() if getattr(earlier, name) != getattr(parts.job, name)]
    return (
        f"{parts.folder} holds {_sealed(parts.folder)} finished parts of an unfinished run with "
        f"{other[0] if other else 'other settings'}: repeat that command to finish it, or give --fresh "
        "to throw them away."
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
