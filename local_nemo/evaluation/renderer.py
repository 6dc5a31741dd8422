"""Renders evaluation templates in a small process of its own, so that no template can hang or fill the server.

Jinja's sandbox keeps a template away from Python's insides, but not from `{{ 10 ** 10 ** 10 }}` or from a loop in a
loop. So the process that renders has a memory limit, no environment variables, and is killed when one rendering uses
more than its seconds of processor time (a busy machine must not fail a good row); the next rendering starts a new one.
Both sides speak one JSON object a line.

The process runs: python -m local_nemo.evaluation.renderer SECONDS
"""

import json
import math
import resource
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from local_nemo.evaluation.template import render

SECONDS = 4  # of processor time for one rendering; a usual one takes less than a millisecond
PATIENCE = 20  # times as long by the clock, should the processor be busy with other things
MEMORY_BYTES = 512 * 2**20
MOST_BREACHES = 20  # then every further rendering is refused at once, so that a bad template ends its job soon
MAX_OUTPUT_BYTES = 8 * 2**20  # of one rendered value as JSON


class RenderError(ValueError):
    """The template has no value for this row; the text says why."""


class Renderer:
    """`with Renderer() as renderer: renderer.render(template, context)`. Safe to use from several threads."""

    def __init__(self, *, seconds: int = SECONDS, most_breaches: int = MOST_BREACHES) -> None:
        self.seconds, self.most_breaches = seconds, most_breaches
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._breaches = 0
        self._closed = False

    def __enter__(self) -> "Renderer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def render(self, template: Any, context: Mapping[str, Any]) -> Any:
        """The rendered value (JSON types only). Raises `RenderError`, also when a bound is passed."""
        request = json.dumps({"template": template, "context": context}).encode() + b"\n"
        with self._lock:
            if self._closed:
                raise RenderError("the evaluation has ended")
            if self._breaches >= self.most_breaches:
                raise RenderError(f"not rendered: templates passed a bound {self._breaches} times in this evaluation")
            line = self._exchange(request)
            if not line.endswith(b"\n"):
                self._breaches += 1
                self._discard()
                raise RenderError(
                    f"the template passed a bound: {self.seconds} s, {MEMORY_BYTES // 2**20} MiB of memory, "
                    f"or {MAX_OUTPUT_BYTES // 2**20} MiB of output for one value"
                )
        answer = json.loads(line)
        if "error" in answer:
            raise RenderError(answer["error"])
        return answer["value"]

    def close(self) -> None:
        """End the process; renderings that still wait for their turn raise `RenderError`."""
        self._closed = True
        if process := self._process:
            process.kill()  # first, so that a rendering under way gives the lock back
        with self._lock:
            self._discard()

    def _discard(self) -> None:
        """End the process while holding the lock, so that nobody else writes to a dead one."""
        if process := self._process:
            process.kill()
            process.communicate()
            self._process = None

    def _exchange(self, request: bytes) -> bytes:
        """Send one line, read one; an incomplete line means that the process was killed or died."""
        process = self._process = self._process or _start(self.seconds)
        assert process.stdin and process.stdout, "both are pipes"
        timer = threading.Timer(self.seconds * PATIENCE, process.kill)
        timer.start()
        try:
            process.stdin.write(request)
            process.stdin.flush()
            return process.stdout.readline(MAX_OUTPUT_BYTES + 1)
        except BrokenPipeError:
            return b""
        finally:
            timer.cancel()


def _start(seconds: int) -> subprocess.Popen[bytes]:
    root = str(Path(__file__).resolve().parents[2])
    return subprocess.Popen(
        [sys.executable, "-m", "local_nemo.evaluation.renderer", str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"PYTHONPATH": root, "PYTHONIOENCODING": "utf-8"},
        start_new_session=True,  # Ctrl-C in the server's terminal is the server's business
    )


def main() -> None:
    """The loop of the rendering process: one request a line until its input ends."""
    seconds = int(sys.argv[1])
    _limit_memory()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        _limit_processor_time(seconds)
        try:
            answer = json.dumps({"value": render(request["template"], request["context"])})
        except TemplateError as error:
            answer = json.dumps({"error": f"{type(error).__name__}: {error}"})
        except json.JSONDecodeError as error:
            answer = json.dumps({"error": f"the template uses tojson, but its text is not JSON: {error}"})
        except MemoryError:
            return  # the memory bound; the parent sees the missing answer
        except Exception as error:  # whatever Python raises inside a template is that template's error
            answer = json.dumps({"error": f"{type(error).__name__}: {error}"})
        sys.stdout.buffer.write(answer.encode() + b"\n")
        sys.stdout.buffer.flush()


def _limit_memory() -> None:
    with suppress(ValueError, OSError):  # a system without this limit still has that of time
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def _limit_processor_time(seconds: int) -> None:
    """The system ends this process once it has used this much more than until now."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = math.ceil(usage.ru_utime + usage.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (used + seconds, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
