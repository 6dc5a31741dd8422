"""The peer of our serving: llama.cpp's own server, from the xllamacpp wheel, in a process of its own.

    with LlamaCpp(gguf, adapter) as peer:
        peer.complete("text")

It loads the same GGUF file that local_nemo's base model comes from, with the same adapter.
"""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import requests

from .workbench import MAX_TOKENS, ROOT

SLOTS = 8  # requests that it works on together
CONTEXT = 2048  # tokens of each
START_SECONDS = 120


class LlamaCpp:
    """A context manager around the server's process."""

    def __init__(self, model: Path, adapter: Path, threads: int) -> None:
        command = [sys.executable, "-m", "benchmarks.llama_cpp", str(model), str(adapter), str(threads)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = self._address()

    def _address(self) -> str:
        timer = threading.Timer(START_SECONDS, self.process.kill)
        timer.start()
        try:
            for line in self.process.stdout or ():
                if line.startswith("{"):
                    return json.loads(line)["url"]
        finally:
            timer.cancel()
        raise RuntimeError(f"llama.cpp's server ended with code {self.process.wait()} before it listened")

    def complete(self, prompt: str) -> str:
        """The greedy answer to a prompt."""
        body = {"prompt": prompt, "n_predict": MAX_TOKENS, "temperature": 0, "top_k": 1}
        reply = requests.post(self.url + "/completion", json=body, timeout=600)
        reply.raise_for_status()
        return reply.json()["content"]

    def __enter__(self) -> "LlamaCpp":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def serve(model: str, adapter: str, threads: int) -> None:
    """Serve on a free loopback port and print where, until killed."""
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = model
    settings.hostnames = ["127.0.0.1"]
    settings.port = 0
    settings.n_parallel = SLOTS
    settings.n_ctx = SLOTS * CONTEXT
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
    settings.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(adapter, 1.0)]
    server = xllamacpp.Server(settings)
    print(json.dumps({"url": server.listening_address}), flush=True)
    signal.pause()


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]))
