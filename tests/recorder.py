"""A real HTTP server on loopback for tests of clients: answers what was queued and remembers what it was asked.

    with Recorder() as server:
        server.enqueue(Reply(json={"data": []}))            # answered in order; the last one is repeated
        server.route("GET", "/v1/models", Reply(json=...))  # answered whenever this is asked, before the queue

Replies can be faulty on purpose: cut short, reset, dripping, HTML. Nothing in the code under test is patched.
"""

import json as json_module
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass
class Reply:
    """One answer. `fault`: None, 'reset' (RST before a byte), 'cut' (half the body), 'headers' (half of them and no
    body), 'drip' (a byte every 50 ms).
    """

    status: int = 200
    json: Any = None
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    fault: str | None = None

    def content(self) -> bytes:
        if self.body is not None:
            return self.body
        return b"" if self.json is None else json_module.dumps(self.json).encode()


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; `json` is None unless the body is JSON."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        try:
            return json_module.loads(self.body)
        except ValueError:
            return None


class Recorder:
    """See the module. `asked` is the list of requests so far; `url` the base URL."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.routes: dict[tuple[str, str], list[Reply]] = {}
        self.queue: list[Reply] = []
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> "Recorder":
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def enqueue(self, *replies: Reply) -> None:
        self.queue.extend(replies)

    def route(self, method: str, path: str, *replies: Reply) -> None:
        """Answers for one path, in order; the last is repeated."""
        self.routes[method, path] = list(replies)

    def calls(self) -> list[str]:
        return [f"{asked.method} {asked.path}" for asked in self.asked]

    def answer(self, asked: Asked) -> Reply:
        with self.lock:
            self.asked.append(asked)
            replies = self.routes.get((asked.method, asked.path), self.queue)
            if not replies:
                return Reply(404, json={"detail": f"nothing queued for {asked.method} {asked.path}"})
            return replies.pop(0) if len(replies) > 1 else replies[0]


def _handler(recorder: Recorder) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_one(self) -> None:
            url = urlsplit(self.path)
            size = int(self.headers.get("Content-Length") or 0)
            asked = Asked(
                self.command, unquote(url.path), dict(parse_qsl(url.query)), dict(self.headers), self.rfile.read(size)
            )
            self.send(recorder.answer(asked))

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = do_HEAD = handle_one

        def send(self, reply: Reply) -> None:
            content = reply.content()
            if reply.fault == "reset":
                # linger 0: closing sends RST instead of FIN
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(reply.status)
            if reply.fault == "headers":
                self.flush_headers()  # status, server and date
                self.wfile.write(b"Content-Len")
                self.close_connection = True
                return
            headers = {"Content-Type": "application/json", "Content-Length": str(len(content))} | reply.headers
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if reply.fault == "cut":
                self.wfile.write(content[: len(content) // 2])
                self.close_connection = True
            elif reply.fault == "drip":
                for byte in content:
                    if recorder.closing.wait(0.05):
                        return
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
            elif self.command != "HEAD":
                self.wfile.write(content)

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                self.close_connection = True  # the client has gone, or we reset it ourselves

        def log_message(self, *_: object) -> None:
            pass

    return Handler
