"""An OpenAI-compatible server for tests: answers chat completions by a function, over real HTTP, with real faults.

with ScriptedModel() as model:
    model.respond = lambda body: tool_call("f", {"a": 1})   # or (status, headers, bytes), or an exception to hang up
    requests.post(model.url + "/chat/completions", json={...})
"""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = dict[str, Any] | tuple[int, dict[str, str], bytes]


def completion(content: str | None = None, calls: list[tuple[str, Any]] = ()) -> dict[str, Any]:
    """A chat completion with text, or with tool calls given as (name, arguments)."""
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if calls:
        message["tool_calls"] = [
            {
                "id": f"chatcmpl-tool-{position}",
                "type": "function",
                "function": {"name": name, "arguments": value if isinstance(value, str) else json.dumps(value)},
            }
            for position, (name, value) in enumerate(calls)
        ]
    finish = "tool_calls" if calls else "stop"
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "scripted",
        "choices": [{"index": 0, "finish_reason": finish, "message": message}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }


class ScriptedModel:
    """Records every request in `requests` as (path, headers, body) and its arrival in `times`."""

    def __init__(self) -> None:
        self.respond: Callable[[dict[str, Any]], Reply] = lambda body: completion("hello")
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.times: list[float] = []
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> "ScriptedModel":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def asked(self) -> list[str]:
        """The last message's text of every request."""
        return [body["messages"][-1]["content"] for _, _, body in self.requests]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with script._lock:
                    script.requests.append((self.path, dict(self.headers), body))
                    script.times.append(time.monotonic())
                    script.at_once += 1
                    script.most_at_once = max(script.most_at_once, script.at_once)
                try:
                    reply = script.respond(body)
                except ConnectionError:  # hang up in the middle
                    self.close_connection = True
                    self.connection.close()
                    return
                finally:
                    with script._lock:
                        script.at_once -= 1
                self._send(*reply) if isinstance(reply, tuple) else self._send(200, {}, json.dumps(reply).encode())

            def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
                try:
                    self.send_response(status)
                    for name, value in {"Content-Length": str(len(body)), **headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the client gave up

            def log_message(self, *_: object) -> None:
                pass

        return Handler
