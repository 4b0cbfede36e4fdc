"""What a decoder process does: it reads one file or array after another, until its parent is gone.

What it answers is JSON and plain bytes, never a pickle: a decoder that was taken over by a hostile file could
send anything.
"""

import json
import signal
import sys
from importlib.util import find_spec
from multiprocessing.connection import Connection
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from euinet.errors import DataError
from euinet.images.preprocessing import Preprocessing
from euinet.serve.decode.arrays import fitted, read_images
from euinet.serve.http.forms import NamedBytes
from euinet.serve.http.limits import Refused

MEMORY = 2 * 2**30  # bytes; an image of 50 megapixels with 16 bits a pixel needs half of them
LARGEST_HEADER = 65_536


class Task(NamedTuple):
    """What is to be read."""

    kind: str  # "file" or "json"
    content: bytes
    name: str
    most_images: int = 0  # of a JSON array


class Decoded(NamedTuple):
    """What was read."""

    pixels: npt.NDArray[np.uint8] | None  # (N, C, H, W), as the model reads them; 1 of a file
    remark: str | None = None
    error: str | None = None
    status: int = 200  # of a JSON array that is refused


def main(arguments: list[str]) -> None:
    """Answer tasks until the other end of the line is closed.

    Arguments: the line's descriptor, the preprocessing as JSON, and how many pixels an image may have.
    """
    line, plain, most_pixels = int(arguments[0]), json.loads(arguments[1]), int(arguments[2])
    connection, preprocessing = Connection(line), Preprocessing(**plain)
    for number in (signal.SIGINT, signal.SIGTERM):  # to a group of processes: the parent decides
        signal.signal(number, signal.SIG_IGN)
    _limit_memory()
    try:
        while True:
            kind, name, most_images = json.loads(connection.recv_bytes())
            content = connection.recv_bytes()
            send(connection, decode(Task(kind, content, name, most_images), preprocessing, most_pixels))
    except (EOFError, OSError):
        return


def decode(task: Task, preprocessing: Preprocessing, most_pixels: int) -> Decoded:
    """Return what a task's content holds."""
    try:
        if task.kind == "json":
            return Decoded(fitted(read_images(task.content, task.most_images), preprocessing))
        found = preprocessing.read(NamedBytes(task.name, task.content), most_pixels)
        return Decoded(found.pixels[None], found.remark)
    except Refused as refused:
        return Decoded(None, error=refused.sentence, status=refused.status)
    except DataError as error:
        return Decoded(None, error=str(error))
    except MemoryError:
        return Decoded(None, error="It needs more memory than there is: send less at a time.", status=413)


def send(connection: Connection, decoded: Decoded) -> None:
    """Write what was read."""
    pixels = decoded.pixels
    shape = None if pixels is None else list(pixels.shape)
    connection.send_bytes(json.dumps([shape, decoded.remark, decoded.error, decoded.status]).encode())
    if pixels is not None:
        connection.send_bytes(pixels.tobytes())


def receive(connection: Connection, preprocessing: Preprocessing, most_images: int) -> Decoded:
    """Return what a process wrote. Raises OSError or ValueError for what it cannot have written."""
    shape, remark, error, status = json.loads(connection.recv_bytes(LARGEST_HEADER))
    if shape is None:
        return Decoded(None, error=str(error), status=int(status))
    images = int(shape[0])
    wanted = (images, preprocessing.channels, preprocessing.image_size, preprocessing.image_size)
    if tuple(shape) != wanted or not 1 <= images <= most_images:
        raise ValueError(f"a decoder answered with the shape {shape}")
    content = connection.recv_bytes(int(np.prod(wanted)))
    return Decoded(np.frombuffer(content, np.uint8).reshape(wanted), None if remark is None else str(remark))


def _limit_memory() -> None:
    if find_spec("resource"):  # not on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))


if __name__ == "__main__":
    main(sys.argv[1:])
