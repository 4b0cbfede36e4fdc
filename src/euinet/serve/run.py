"""Starting and stopping the server: its socket, then the model, then requests; an end in good order."""

import gc
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

import uvicorn

from euinet.errors import ServeError
from euinet.serve.app import Service
from euinet.serve.http.access import Access, allowed_hosts, is_loopback
from euinet.serve.http.limits import Limits
from euinet.serve.http.protocol import protocol_class
from euinet.serve.http.strict import HEADER_BYTES
from euinet.serve.served import open_served
from euinet.system.interrupts import STOPPING
from euinet.system.notify import Notify

_FILES_BESIDE = 256  # open files that are no connections


@dataclass(frozen=True)
class ServerSettings:
    """What the command line asked for."""

    model: str
    host: str = "127.0.0.1"
    port: int = 8000  # 0: any that is free
    token: str | None = None
    allow_hosts: tuple[str, ...] = ()
    inbox: Path | None = None
    device: str = "auto"
    data_root: Path | None = None
    limits: Limits = field(default_factory=Limits)


def serve(asked: ServerSettings, ready: Callable[[str], None], notify: Notify) -> None:
    """Serve until Ctrl-C or SIGTERM; `ready` is told the address once requests are answered.

    The first signal ends the server when all that it took is answered; a second one, or
    `limits.stop_seconds`, ends it at once: then KeyboardInterrupt or Terminated is raised. Raises
    ServeError when the address cannot be had, and what `open_served` raises.
    """
    with _bound(asked.host, asked.port) as listening:
        address = _address(asked.host, listening.getsockname()[1])
        served = open_served(asked.model, asked.device, asked.data_root, asked.inbox, notify)
        token = None if asked.token is None else asked.token.encode()
        service = Service(served, Access(allowed_hosts(asked.host, asked.allow_hosts), token), asked.limits)
        if token is None and not is_loopback(asked.host):
            notify(
                f"Whoever reaches {address} can use this server: give it a token (--token-file), and TLS "
                "by a proxy before it."
            )
        _warm_up(service)
        server = Server(service, lambda: ready(address))
        try:
            server.run([listening])
        finally:
            if not server.forced:
                service.close()
    server.raise_if_forced()


class Server(uvicorn.Server):
    """uvicorn's server with our limits; it tells when it is ready, and ends quietly on a signal."""

    def __init__(self, service: Service, ready: Callable[[], None]) -> None:
        limits = service.limits
        _allow_connections(limits.connections)
        for name in ("uvicorn.error", "python_multipart"):  # broken requests are no news
            logging.getLogger(name).setLevel(logging.CRITICAL)
        super().__init__(
            uvicorn.Config(
                service.app,
                http=protocol_class(limits),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                h11_max_incomplete_event_size=HEADER_BYTES,
                timeout_graceful_shutdown=int(limits.stop_seconds),
                backlog=2048,
            )
        )
        self._service, self._ready = service, ready
        self._signals: list[int] = []
        self._unanswered = False

    @property
    def forced(self) -> bool:
        """Whether it was ended before all was answered."""
        return self.force_exit or self._unanswered

    def raise_if_forced(self) -> None:
        """Raise what the last signal stands for, if the server did not end in good order."""
        if self.forced and self._signals:
            from euinet.system.interrupts import Terminated

            raise Terminated if self._signals[-1] == signal.SIGTERM else KeyboardInterrupt

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self._service.start()
        gc.collect()
        gc.freeze()  # a full round over all that was made would hold requests up for a tenth of a second
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what was taken, for `limits.stop_seconds` at most."""
        await super().shutdown(sockets)
        self._unanswered = bool(self.server_state.tasks)
        gc.unfreeze()  # or extension modules would call it a leak, on stderr

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take Ctrl-C and SIGTERM as the wish to end; uvicorn would raise them anew at the end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in STOPPING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in good order; at the second time at once."""
        self._signals.append(sig)
        self._service.stopping = True
        self.force_exit = self.should_exit
        self.should_exit = True


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    """Give a socket bound to an address, not yet listening. Raises ServeError when it cannot be had."""
    try:
        (family, kind, protocol, _, place), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        raise ServeError(
            f"'{host}' is no address of this machine: give --host 127.0.0.1 for this machine alone, 0.0.0.0 "
            "for all that reach it."
        ) from error
    with socket.socket(family, kind, protocol) as bound:
        if os.name == "posix":  # elsewhere it would let two servers share the port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(place)
            bound.listen(2048)  # or a second server of the same port would find out only when it is ready
        except OSError as error:
            raise ServeError(_why_not(host, port, error)) from error
        yield bound


def _why_not(host: str, port: int, error: OSError) -> str:
    import errno

    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} of {host} is in use by another program: stop that, choose another with --port, or "
            "--port 0 for any that is free."
        )
    if error.errno == errno.EACCES:
        return f"Port {port} may not be used by this account: choose one from 1024 with --port."
    if error.errno == errno.EADDRNOTAVAIL:
        return (
            f"{host} is no address of this machine: give --host 127.0.0.1 for this machine alone, 0.0.0.0 "
            "for all that reach it."
        )
    return f"{host} and port {port} cannot be had ({error.strerror or error}): choose others."


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _warm_up(service: Service) -> None:
    """Answer one image, so that the first client does not wait for what is done only once."""
    import numpy as np

    card = service.served.model.card
    pixels = np.zeros((1, *card.input_shape), np.uint8 if card.reads_images else np.float32)
    service.served.model.answer(pixels)
    service.served.explainer.explain(pixels)


def _allow_connections(wanted: int) -> None:
    """Raise this process's limit of open files, where it is lower than what is needed and may be raised."""
    if not find_spec("resource"):  # Windows
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = wanted + _FILES_BESIDE
    if soft < need and soft != resource.RLIM_INFINITY:
        best = need if hard == resource.RLIM_INFINITY else min(need, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (best, hard))
