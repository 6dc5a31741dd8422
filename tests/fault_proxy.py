"""A TCP proxy that misbehaves on purpose, between a client under test and a real server.

    with FaultProxy(server.url) as proxy:
        proxy.faults = ["refused", "reset", ...]     # one for each connection to come; then it is faithful
        requests.get(proxy.url)

It works on bytes and knows as much HTTP as it needs to answer in the server's place, and to have each request on a
connection of its own.
"""

import socket
import struct
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

PIECE = 65_536
HALF = 200  # bytes of a reply that still pass before it is cut
PAGE = b"<html><h1>Bad gateway</h1></html>"
ANSWERS = {
    **{str(status): (status, b"upstream", b"") for status in (429, 502, 503, 504)},
    "429 with Retry-After": (429, b"slow down", b"Retry-After: 1\r\n"),
    "502 with a page": (502, PAGE, b"Content-Type: text/html\r\n"),
}
FAULTS = ("reset", "closed", "reset in the request", "cut", "silent", "drip", *ANSWERS)


class FaultProxy:
    """`url` is where clients go; `seen` lists the fault of each connection so far ("" for none)."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.faults: list[str] = []
        self.seen: list[str] = []
        self._closing = threading.Event()

    def __enter__(self) -> "FaultProxy":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            fault = self.faults.pop(0) if self.faults else ""
            self.seen.append(fault)
            threading.Thread(target=self._serve, args=(client, fault), daemon=True).start()

    def _serve(self, client: socket.socket, fault: str) -> None:
        with client, socket.create_connection(self._target) as server:
            try:
                if fault == "reset":
                    _reset(client)
                elif fault == "reset in the request":
                    server.sendall(client.recv(HALF))
                    _reset(client)
                elif fault == "closed":
                    client.recv(PIECE)
                elif fault == "silent":
                    client.recv(PIECE)
                    self._closing.wait(60)
                elif fault in ANSWERS:
                    _answer(client, *ANSWERS[fault])
                else:
                    threading.Thread(target=_pump, args=(client, server), daemon=True).start()
                    self._reply(server, client, fault)
            except OSError:
                pass  # one side has gone, as they do
            if not fault.startswith("reset"):
                _hang_up(client, server)

    def _reply(self, server: socket.socket, client: socket.socket, fault: str) -> None:
        left = HALF if fault == "cut" else None
        while piece := server.recv(PIECE if fault != "drip" else 1):
            if left is not None:
                piece, left = piece[:left], left - len(piece)
            if fault == "drip" and self._closing.wait(0.1):
                return
            client.sendall(piece)
            if left is not None and left <= 0:
                return


def _answer(client: socket.socket, status: int, body: bytes, more: bytes) -> None:
    """Read the request for as long as it comes, then answer it."""
    client.settimeout(0.2)
    ends = time.monotonic() + 2
    try:
        while client.recv(PIECE) and time.monotonic() < ends:
            pass
    except TimeoutError:
        pass  # all of it has come
    head = f"HTTP/1.1 {status} Fault\r\nContent-Length: {len(body)}\r\nConnection: close\r\n".encode()
    client.sendall(head + more + b"\r\n" + body)


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(PIECE):
            target.sendall(piece.replace(b"onnection: keep-alive", b"onnection: close", 1))
    except OSError:
        pass


def _hang_up(*connections: socket.socket) -> None:
    """Closing alone tells the other side nothing as long as a thread of ours waits on the connection."""
    for connection in connections:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def _reset(connection: socket.socket) -> None:
    """Closing then sends RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
