"""Image files become pixels: small ones in a thread, others in processes that can be ended.

A small file takes a fraction of a millisecond, whatever is in it. A large one, or a hostile one (a thousand
progressive scans, a million frames, a fault in a decoder), could take minutes or bring its process down: so
it is read by a process with a limit of time and memory.
"""

import asyncio
from collections.abc import Sequence

from euinet.errors import DataError
from euinet.images.pixels import TooManyPixelsError
from euinet.images.preprocessing import Preprocessing
from euinet.images.sources import Read
from euinet.serve.batching import Batcher
from euinet.serve.decode.arrays import fitted, names, read_images
from euinet.serve.decode.decoder_pool import DecoderPool
from euinet.serve.decode.decoder_process import Task
from euinet.serve.http.forms import NamedBytes, Upload
from euinet.serve.http.limits import Limits, Refused

TINY_BYTES, TINY_PIXELS = 4096, 4096  # of a file that is decoded where it is: a thread would cost as much
QUICK_BYTES, QUICK_PIXELS = 16_384, 65_536  # of a file that is decoded in the thread
_QUICK_JSON = 65_536  # bytes
_AT_ONCE = 32  # small files between two looks at what else is to be done


class Decoder:
    """Reads what clients sent as one model reads it."""

    wanted = "send images in the form field 'file', or an array as JSON"

    def __init__(self, preprocessing: Preprocessing, limits: Limits, processes: int = 2) -> None:
        self._preprocessing, self._limits = preprocessing, limits
        self._quick: Batcher[Upload, Read | None] = Batcher("euinet-decode", self._read_quick, most=_AT_ONCE)
        self._pool = DecoderPool(preprocessing, limits.image_pixels, limits.decode_seconds, processes)

    def start(self) -> None:
        """Start the processes, so that the first large image does not wait for them."""
        self._pool.start()

    def close(self) -> None:
        """Finish what waits and end thread and processes."""
        self._quick.close()
        self._pool.close()

    async def files(self, uploads: Sequence[Upload]) -> list[Read]:
        """Return image files as the model reads them, or why not, in their order."""
        if len(uploads) == 1:  # no task for it: a tenth of a request's time
            (upload,), read = uploads, None
            if len(upload.content) <= TINY_BYTES:
                read = quick_read(upload, self._preprocessing, TINY_PIXELS)
            return [await self._file(upload) if read is None else read]
        return list(await asyncio.gather(*map(self._file, uploads)))

    async def array(self, body: bytes) -> list[Read]:
        """Return the images of a JSON document. Raises Refused where there are none."""
        if len(body) <= _QUICK_JSON:
            pixels = fitted(read_images(body, self._limits.images), self._preprocessing)
        else:
            decoded = await self._pool.run(Task("json", body, "", self._limits.images))
            if decoded.pixels is None:
                raise Refused(decoded.status, decoded.error or "The array cannot be read.")
            pixels = decoded.pixels
        return [Read(name, image) for name, image in zip(names(len(pixels)), pixels, strict=True)]

    async def _file(self, upload: Upload) -> Read:
        if len(upload.content) <= QUICK_BYTES:
            read = await self._quick(upload)
            if read is not None:
                return read
        decoded = await self._pool.run(Task("file", upload.content, upload.name))
        if decoded.pixels is None:
            return Read(upload.name, None, error=decoded.error)
        return Read(upload.name, decoded.pixels[0], decoded.remark)

    def _read_quick(self, uploads: Sequence[Upload]) -> list[Read | None]:
        return [quick_read(upload, self._preprocessing) for upload in uploads]


def quick_read(upload: Upload, preprocessing: Preprocessing, most_pixels: int = QUICK_PIXELS) -> Read | None:
    """Return a small image file as the model reads it; None for one of many pixels, which takes longer."""
    try:
        found = preprocessing.read(NamedBytes(upload.name, upload.content), most_pixels)
    except TooManyPixelsError:
        return None
    except DataError as error:
        return Read(upload.name, None, error=str(error))
    return Read(upload.name, found.pixels, found.remark)
