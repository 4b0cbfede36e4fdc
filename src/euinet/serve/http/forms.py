"""A multipart form becomes uploads: a name that is safe to show, and bytes that are at most so many."""

import io
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from euinet.serve.http.limits import MEGABYTE, Limits, Refused

FIELD = b"file"
LONGEST_NAME = 255
_UNNAMED = "image"
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,\-./:=? ]{1,70}")  # RFC 2046
_PARAMETER = re.compile(rb';[ \t]*([\w!#$%&\'*+.^`|~-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^;]*))')
# control characters, ends of lines, and what writes from right to left until it is told otherwise
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
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
        kind, options = read_disposition(self._disposition)
        field = options.get("name", b"") if kind == b"form-data" else b""
        if field != FIELD:
            shown = safe_name(field) if field else "nothing"
            raise Refused(422, f"The form has a field named {shown[:60]}: send images in the field 'file'.")
        self._name = safe_name(options.get("filename*") or options.get("filename", b""))

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


def read_disposition(header: bytes) -> tuple[bytes, dict[str, bytes]]:
    r"""Return a part's Content-Disposition: its kind, and its parameters as their sender wrote them.

    \" and \\ are undone; %22, which browsers send for ", stays, for a name may hold that too. `filename*` is
    decoded to UTF-8 (RFC 8187), and left out where it is broken.
    """
    kind, _, _ = header.partition(b";")
    found: dict[str, bytes] = {}
    for name, quoted, plain in _PARAMETER.findall(header):
        key, value = name.decode().lower(), re.sub(rb'\\(["\\])', rb"\1", quoted) or plain.strip(b' \t"')
        if key.endswith("*"):
            charset, *rest = value.split(b"'", 2)
            if len(rest) != 2 or charset.lower() not in (b"utf-8", b"iso-8859-1"):
                continue
            value = unquote_to_bytes(rest[1]).decode(charset.decode(), "replace").encode()
        found[key] = value
    return kind.strip().lower(), found


def safe_name(given: bytes) -> str:
    r"""Return a file's name as it is shown: below no folder but its own, of bearable length, in one line.

    `../../etc/passwd` becomes `etc/passwd`, `C:\scan.png` `scan.png`; what is no UTF-8, steers terminals or
    turns the direction of writing becomes �, all else stays as sent. Nothing is ever written under it.
    """
    parts = given.decode("utf-8", "replace").replace("\\", "/").split("/")
    parts = [part for part in parts if part.strip(" .") and not re.fullmatch("[A-Za-z]:", part)]
    return _STEERING.sub("�", "/".join(parts))[-LONGEST_NAME:] or _UNNAMED
