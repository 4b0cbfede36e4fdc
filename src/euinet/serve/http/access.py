"""Who may ask: the host that a browser believes it talks to, the page that sent it, and the token."""

import hmac
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from euinet.errors import UsageError
from euinet.serve.http.limits import Refused

WRITING = frozenset({"POST", "PUT", "DELETE", "PATCH"})
_GUARDED = ("/v1/", "/metrics")  # what needs the token, where there is one; the page must load to ask for it
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_READ = frozenset({b"host", b"origin", b"sec-fetch-site", b"authorization"})
_HOST = re.compile(
    r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?)"
    r"(?::(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
)

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Access:
    """The rules of one server."""

    hosts: frozenset[str] | None  # names in Host that are answered; None: any
    token: bytes | None = None  # that Authorization: Bearer must bear

    def check(self, method: str, path: str, headers: Headers) -> None:
        """Raise Refused (400, 401 or 403) for a request that may not be answered."""
        given: dict[bytes, bytes] = {}
        for name, value in headers:
            if name in _READ:
                given[name] = b"," if name in given else value  # twice: no host, origin, site or token
        host = given.get(b"host")
        if host is not None:
            self._check_host(host)
        if method in WRITING:
            _check_origin(host, given.get(b"origin"), given.get(b"sec-fetch-site"))
        if self.token is not None and path.startswith(_GUARDED):
            self._check_token(given.get(b"authorization"))

    def _check_host(self, host: bytes) -> None:
        name = host_name(host.decode("latin-1"))
        if host and not name and self.hosts is None:
            raise Refused(
                400, "The Host header is no name or address with a port: send one, such as localhost."
            )
        if self.hosts is not None and name not in self.hosts:
            raise Refused(
                403,
                "This server does not answer by the name in the Host header: use the address that it printed "
                "at its start, or start it with --allow-host NAME.",
            )

    def _check_token(self, authorization: bytes | None) -> None:
        assert self.token is not None
        kind, _, given = (authorization or b"").partition(b" ")
        if kind.lower() != b"bearer" or not hmac.compare_digest(given.strip(), self.token):
            raise Refused(
                401,
                "This server needs its token: send it as Authorization: Bearer TOKEN.",
                {"WWW-Authenticate": "Bearer"},
            )


def _check_origin(host: bytes | None, origin: bytes | None, site: bytes | None) -> None:
    """Refuse what a browser sends for another site's page; programs send none of these headers."""
    elsewhere = site is not None and site not in (b"same-origin", b"none")
    if origin is not None:
        scheme, _, place = origin.lower().partition(b"://")
        elsewhere |= scheme not in (b"http", b"https") or host is None or place != host.lower()
    if elsewhere:
        raise Refused(403, "A page of another site may not send anything here: use this server's own page.")


def host_name(host: str) -> str:
    """Return the name in a Host header or address without its port, in lower case: [::1]:80 → ::1.

    "" where it is neither a name of ASCII letters nor an address, or what follows is no port.
    """
    host = host.strip().lower()
    parts = _HOST.fullmatch(host)
    six = host if parts is None else parts["six"]
    if six is None:
        assert parts is not None
        return parts["name"]
    try:
        return str(ipaddress.IPv6Address(six)) if "%" not in six else ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Return whether an address to bind reaches this machine alone."""
    if host_name(host) == "localhost":
        return True
    try:
        return ipaddress.ip_address(host_name(host)).is_loopback
    except ValueError:
        return False


def allowed_hosts(bound: str, others: Iterable[str]) -> frozenset[str] | None:
    """Return the names that are answered: on a loopback address, its own, so that no page can pose as it.

    (A page whose name leads to 127.0.0.1, DNS rebinding, would otherwise be of the same origin.) `others`
    are allowed besides. On another address any name is, unless `others` are given. Raises UsageError for
    one of these that no Host header can be.
    """
    names = set()
    for other in others:
        if not (name := host_name(other)):
            raise UsageError(
                f"--allow-host {other} is no name or address: give one alone, such as images.example.org."
            )
        names.add(name)
    if is_loopback(bound):
        return frozenset({*_LOOPBACK_NAMES, host_name(bound), *names})
    return frozenset({host_name(bound), *names}) if names else None
