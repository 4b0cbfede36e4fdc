"""Who may ask: the host that a browser believes it talks to, the page that sent it, and the token."""

import hmac
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from euinet.serve.http.limits import Refused

WRITING = frozenset({"POST", "PUT", "DELETE", "PATCH"})
_GUARDED = ("/v1/", "/metrics")  # what needs the token, where there is one; the page must load to ask for it
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Access:
    """The rules of one server."""

    hosts: frozenset[str] | None  # names in Host that are answered; None: any
    token: bytes | None = None  # that Authorization: Bearer must bear

    def check(self, method: str, path: str, headers: Headers) -> None:
        """Raise Refused (401 or 403) for a request that may not be answered."""
        host = origin = site = authorization = None
        for name, value in headers:
            if name == b"host":
                host = value
            elif name == b"origin":
                origin = value
            elif name == b"sec-fetch-site":
                site = value
            elif name == b"authorization":
                authorization = value
        if self.hosts is not None and host is not None:
            self._check_host(host)
        if method in WRITING:
            _check_origin(host, origin, site)
        if self.token is not None and path.startswith(_GUARDED):
            self._check_token(authorization)

    def _check_host(self, host: bytes) -> None:
        assert self.hosts is not None
        if host_name(host.decode("latin-1")) not in self.hosts:
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
    """Return the name in a Host header or address without its port, in lower case: [::1]:80 → ::1."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host if host.count(":") > 1 else host.partition(":")[0].rstrip(".")


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
    are allowed besides. On another address any name is, unless `others` are given.
    """
    names = {host_name(name) for name in others}
    if is_loopback(bound):
        return frozenset({*_LOOPBACK_NAMES, host_name(bound), *names})
    return frozenset({host_name(bound), *names}) if names else None
