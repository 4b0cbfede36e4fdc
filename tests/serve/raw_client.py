"""A client that sends bytes as they are, to a server on a real socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from euinet.serve.app import Service
from euinet.serve.run import Server


@contextmanager
def listening_at(service: Service) -> Iterator[int]:
    """Serve while the block runs; gives the port."""
    listening, ready = socket.create_server(("127.0.0.1", 0)), threading.Event()
    server = Server(service, ready.set)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    assert ready.wait(20)
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join()
    listening.close()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def read_all(line: socket.socket) -> bytes:
    found = b""
    try:
        while piece := line.recv(65_536):
            found += piece
    except ConnectionResetError:
        pass
    return found


def exchange(port: int, *sent: bytes) -> bytes:
    """Send pieces, each in a packet of its own, and return all that comes until the server closes."""
    with connect(port) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for piece in sent:
                line.sendall(piece)
        except OSError:  # refused before all was sent: the answer may be there
            pass
        return read_all(line)
