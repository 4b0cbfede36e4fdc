"""HTTP as RFC 9112 writes it: what two programs could read in two ways is refused before h11 reads it.

h11 is lenient where the standard lets it be: it takes bare line feeds, joins folded lines, and prefers chunks
to a Content-Length beside them. A proxy that reads such a request otherwise could be made to pass another on.
"""

import re

from h11 import LocalProtocolError
from h11._receivebuffer import ReceiveBuffer

HEADER_BYTES = 65_536  # of one request's head

_TOKEN = rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+"
_REQUEST = re.compile(  # a path, or a whole address as for a proxy; no fragment, no authority alone
    rb"(?:" + _TOKEN + rb" (?:/|(?i:https?)://[!\"$-.0-~])[!\"$-~]*|OPTIONS \*) HTTP/([0-9]\.[0-9])\r\n"
)
_BLANK = re.compile(rb"^\r?\n|\n\r?\n")
_ODD = re.compile(rb"(?<!\r)\n|\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\n[ \t]")  # the last: a folded line
_CHUNK = re.compile(rb"[0-9A-Fa-f]{1,8}(?:;[\t -~\x80-\xff]{0,1024})?\r\n")
_FRAMING = (b"content-length", b"transfer-encoding", b"host")  # once each at most


class StrictBuffer(ReceiveBuffer):
    """What came in and is not read yet, in place of h11's own.

    What it raises h11 takes for its own finding: the request is answered with 400, 431, 501 or 505
    and the connection closed.
    """

    def maybe_extract_lines(self) -> list[bytearray] | None:
        """Return a request's head, or the fields after its last chunk, once all of it is there."""
        found = _BLANK.search(self._data, self._multiple_lines_search)
        if found is None:
            self._multiple_lines_search = max(0, len(self._data) - 2)
            return None
        head = self._extract(found.end())
        if len(head) > HEADER_BYTES:
            raise LocalProtocolError("too long", error_status_hint=431)
        if _ODD.search(head):
            raise LocalProtocolError("a line end, folded line or control character that is none of HTTP's")
        lines = head.split(b"\r\n")[:-2]
        if lines:
            _check_version(head, _check_framing(lines))
        return lines

    def maybe_extract_next_line(self) -> bytearray | None:
        """Return the line that a chunk begins with, once it is there."""
        end = self._data.find(b"\n") + 1
        if not end:
            return None
        line = self._extract(end)
        if not _CHUNK.fullmatch(line):
            raise LocalProtocolError("this is no size of a chunk")
        return line

    def is_next_line_obviously_invalid_request_line(self) -> bool:
        """Return whether a request that is not all there yet need not be waited for."""
        end = self._data.find(b"\n") + 1
        broken = bool(end) and not _REQUEST.fullmatch(self._data, 0, end)
        return broken or super().is_next_line_obviously_invalid_request_line()


def _check_framing(lines: list[bytearray]) -> bool:
    """Return whether the body comes in chunks. Raises LocalProtocolError where its end is open to doubt."""
    given: dict[bytes, bytes] = {}
    for line in lines:
        name, _, value = bytes(line).partition(b":")
        if (key := name.lower()) in _FRAMING:
            if key in given:
                raise LocalProtocolError("a header that is there once came twice")
            given[key] = value.strip(b" \t")
    length, chunked = given.get(b"content-length"), b"transfer-encoding" in given
    if length is not None and (chunked or not length.isdigit()):
        raise LocalProtocolError("a Content-Length that is no number, or beside a Transfer-Encoding")
    return chunked


def _check_version(head: bytearray, chunked: bool) -> None:
    """Raise LocalProtocolError for a request line that is none, or of a version that has no chunks."""
    request = _REQUEST.match(head)
    if request is None and b":" not in head.partition(b" ")[0]:  # a field: one after the last chunk
        raise LocalProtocolError("this is no request line")
    version = request[1] if request else b"1.1"
    if not version.startswith(b"1."):
        raise LocalProtocolError("another version of HTTP", error_status_hint=505)
    if version == b"1.0" and chunked:
        raise LocalProtocolError("HTTP/1.0 has no chunks")
