"""A multipart form becomes uploads: a name that is safe to show, and bytes that are at most so many."""

import io
import re
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from euinet.serve.http.limits import MEGABYTE, Limits, Refused

FIELD = b"file"
LONGEST_NAME = 255
_UNNAMED = "image"
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,\-./:=? ]{1,70}")  # RFC 2046
_FORM = "multipart/form-data with one or more images in the field 'file'"


@dataclass(frozen=True)
class Upload:
    """A file as a client sent it."""

    name: str  # relative, without dots that lead elsewhere; printable
    content: bytes


class NamedBytes(io.BytesIO):
    """A file's content that says its name, as open files do: sentences then name it."""

    def __init__(self, name: str, content: bytes) -> None:
        super().__init__(content)
        self.name = name


class FormReader:
    """Takes a form's bytes piece by piece; `finish` returns its uploads.

    Raises Refused: 400 for what is no form, 413 for a file or a number of files above the limits, 422 for
    another field than `file`.
    """

    def __init__(self, content_type: bytes, limits: Limits) -> None:
        _, options = parse_options_header(content_type.decode("latin-1"))
        boundary = options.get(b"boundary", b"")
        if not _BOUNDARY.fullmatch(boundary):
            raise Refused(400, f"The form's Content-Type names no valid boundary: send {_FORM}.")
        self._limits = limits
        self._uploads: list[Upload] = []
        self._header, self._value, self._disposition = bytearray(), bytearray(), b""
        self._name = _UNNAMED
        self._pieces: list[bytes] = []
        self._size = 0
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
        )

    def write(self, piece: bytes) -> None:
        """Take the next piece."""
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise Refused(400, f"The form is broken: send {_FORM}.") from error

    def finish(self) -> list[Upload]:
        """Return all uploads, at least one."""
        if not self._ended:
            raise Refused(400, f"The form is cut off before its last boundary: send {_FORM}.")
        if not self._uploads:
            raise Refused(422, f"The form holds no image: send {_FORM}.")
        return self._uploads

    def _on_part_begin(self) -> None:
        if len(self._uploads) == self._limits.images:
            raise Refused(
                413,
                f"The form holds more than {self._limits.images} images, the most that one request takes.",
            )
        self._disposition, self._pieces, self._size = b"", [], 0

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header, self._value = bytearray(), bytearray()

    def _on_headers_finished(self) -> None:
        kind, options = parse_options_header(self._disposition.decode("latin-1"))
        field = options.get(b"name", b"") if kind == b"form-data" else b""
        if field != FIELD:
            shown = safe_name(field) if field else "nothing"
            raise Refused(422, f"The form has a field named {shown[:60]}: send images in the field 'file'.")
        self._name = safe_name(options.get(b"filename", b""))

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._size > self._limits.file_bytes:
            raise Refused(
                413,
                f"{self._name} is larger than {self._limits.file_bytes / MEGABYTE:g} MB, the most that one "
                "image file may have: make it smaller.",
            )
        self._pieces.append(data[start:end])

    def _on_part_end(self) -> None:
        self._uploads.append(Upload(self._name, b"".join(self._pieces)))
        self._pieces = []

    def _on_end(self) -> None:
        self._ended = True


def safe_name(given: bytes) -> str:
    r"""Return a file's name as it is shown: below no folder but its own, printable, of bearable length.

    `../../etc/passwd` becomes `etc/passwd`, `C:\scan.png` `scan.png`. Nothing is ever written under it.
    """
    text = given.decode("utf-8", "replace").replace("\\", "/")
    parts = [part for part in text.split("/") if part.strip(" .") and not re.fullmatch("[A-Za-z]:", part)]
    name = "".join(c if c.isprintable() else "�" for c in "/".join(parts))
    return name[-LONGEST_NAME:] or _UNNAMED
