"""Whether a file holds what it must: gzip contents unpacked, contents compared with their MD5.

MD5 is what the publishers of these data sets give; it guards against damage, not against a forger.
"""

import gzip
import hashlib
import io
import zlib

GZIP_MAGIC = b"\x1f\x8b"
# The largest file we unpack has 47 MB (MNIST's training images); one that grows far beyond is not ours.
MAX_UNPACKED_BYTES = 128 * 2**20


class DamagedFileError(Exception):
    """A file's content is not what it must be; the message says how, without the file's name."""


def unpacked(content: bytes, limit: int = MAX_UNPACKED_BYTES) -> bytes:
    """Return gzip content unpacked, at most its first `limit` bytes.

    Raises DamagedFileError when it is not gzip, is cut short, or does not fit its own checksum.
    """
    try:
        return gzip.GzipFile(fileobj=io.BytesIO(content)).read(limit)
    except EOFError as error:
        raise DamagedFileError("is truncated") from error
    except (OSError, zlib.error) as error:
        raise DamagedFileError(f"is not an intact gzip file ({error})") from error


def check_md5(content: bytes, expected: str) -> None:
    """Raise DamagedFileError unless the MD5 of `content` is `expected` (32 hexadecimal digits)."""
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != expected:
        raise DamagedFileError(f"is truncated or altered ({len(content)} bytes, MD5 {found}, not {expected})")
