"""One base model in OpenVINO GenAI, and the thread that alone talks to it.

Continuous batching: all running requests advance together, new ones join between two steps. LoRA weights are a state of
the whole pipeline, so one batch has one adapter. When requests for another adapter have waited for `PATIENCE`, nobody
joins any more, the batch runs empty, and the oldest request's adapter is next: nobody starves, groups stay large.

Traps of the library, found by experiment (2026.4.1):
- `add_request` ignores `config.adapters`; only `generate` applies them. A switch is a `generate` of one token.
- Prefix caching knows tokens, not adapters: with it answers come from another adapter's cache. It is off.
- An error in `step` leaves the pipeline with requests that never end. It is opened anew.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .errors import Busy, EngineStopped, ModelNotServed
from .ir import without_telemetry
from .prepare import Prepared
from .served import AdapterFile
from .task import Task

if TYPE_CHECKING:
    from openvino_genai import AdapterConfig, ContinuousBatchingPipeline

log = logging.getLogger("local_nemo.engine")
MAX_QUEUE = 128  # running and waiting; past it a caller is told to come back
MAX_RUNNING = 64
PATIENCE = 1.0  # seconds
CACHE_GB = 1  # about 40,000 tokens of the bundled model
BATCH_TOKENS = 256  # prompt and answer tokens computed in one step; more costs memory and gains nothing here


@dataclass
class Counts:
    """What the thread has done so far."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, eq=False)
class AppliedAdapter:
    """An adapter in memory, as the pipeline takes it; two are never equal, even of one name."""

    config: AdapterConfig


class Runner:
    """Owns a pipeline. `submit` from any thread; everything else happens in the runner's own."""

    def __init__(self, prepared: Prepared, threads: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._prepared, self._threads, self._clock = prepared, threads, clock
        self._wake = threading.Condition()
        self._waiting: list[Task] = []
        self._running: list[Task] = []
        self._adapters: dict[str, AppliedAdapter] = {}
        self._current: AppliedAdapter | None = None  # what the pipeline applies now; None is the base
        self._stopping = False
        self._next_id = 0
        self.counts = Counts()
        self._pipeline = self._open()
        self._thread = threading.Thread(target=self._run, name="lm-runner", daemon=True)
        self._thread.start()

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def adapters(self) -> list[str]:
        return list(self._adapters)

    def submit(self, task: Task, adapter: str | None) -> None:
        """Queue a task for an adapter (None is the base).

        Raises Busy when the queue is full, EngineStopped, or ModelNotServed for an unknown adapter.
        """
        with self._wake:
            if self._stopping:
                raise EngineStopped("The engine is shutting down.")
            if len(self._waiting) + len(self._running) >= MAX_QUEUE:
                raise Busy(retry_after=5)
            if adapter is not None and adapter not in self._adapters:
                raise ModelNotServed(adapter, self.adapters)
            task.adapter = None if adapter is None else self._adapters[adapter]
            task.submitted = self._clock()
            self._waiting.append(task)
            self._wake.notify()

    def wake(self) -> None:
        """Make the thread look again: a task was cancelled."""
        with self._wake:
            self._wake.notify()

    def add_adapter(self, name: str, file: AdapterFile) -> None:
        """Read an adapter into memory; requests from now on get it under this name."""
        import openvino_genai as genai

        adapter = AppliedAdapter(genai.AdapterConfig([(genai.Adapter(file.weights), file.scale)]))
        with self._wake:
            self._adapters[name] = adapter

    def remove_adapter(self, name: str) -> None:
        """Forget an adapter: its waiting requests fail, running ones finish, its memory is freed."""
        with self._wake:
            adapter = self._adapters.pop(name, None)
            gone = [task for task in self._waiting if adapter is not None and task.adapter is adapter]
            self._waiting = [task for task in self._waiting if task not in gone]
        for task in gone:
            task.generation.fail(ModelNotServed(name, self.adapters))

    def stop(self, timeout: float = 10) -> None:
        """End the thread; what was not finished fails with EngineStopped."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join(timeout)

    def _open(self) -> ContinuousBatchingPipeline:
        without_telemetry()
        import openvino_genai as genai

        scheduler = genai.SchedulerConfig()
        scheduler.cache_size = CACHE_GB
        scheduler.max_num_batched_tokens = BATCH_TOKENS
        scheduler.max_num_seqs = MAX_RUNNING
        scheduler.enable_prefix_caching = False
        dynamic = genai.AdapterConfig.Mode.MODE_DYNAMIC
        first = genai.AdapterConfig([(genai.Adapter(self._prepared.placeholder), 0.0)], dynamic)
        properties = {
            "INFERENCE_PRECISION_HINT": "f32",  # greedy answers equal the trainer's; half precision changes some
            "INFERENCE_NUM_THREADS": self._threads,
            "adapters": first,
        }
        pipeline = genai.ContinuousBatchingPipeline(self._prepared.ir, scheduler, "CPU", properties)
        self._apply(pipeline, None)
        return pipeline

    def _run(self) -> None:
        while True:
            with self._wake:
                while not (self._waiting or self._running or self._stopping):
                    self._wake.wait()
                if self._stopping:
                    break
            self._drop_cancelled()
            try:
                self._admit()
                if self._pipeline.has_non_finished_requests():
                    self._pipeline.step()
                self._deliver()
            except Exception as error:  # the thread must live: it serves everybody
                self._recover(error)
        for task in [*self._waiting, *self._running]:
            task.generation.fail(EngineStopped("The engine was stopped before the answer was finished."))

    def _drop_cancelled(self) -> None:
        with self._wake:
            dropped = [task for task in self._waiting if task.cancelled]
            self._waiting = [task for task in self._waiting if not task.cancelled]
        for task in [*dropped, *(task for task in self._running if task.cancelled)]:
            task.abandon()
        self._running = [task for task in self._running if not task.done]

    def _admit(self) -> None:
        """Let waiting tasks of the current adapter join, or switch when the batch has run empty."""
        with self._wake:
            now = self._clock()
            others = [task for task in self._waiting if task.adapter is not self._current]
            closed = any(now - task.submitted > PATIENCE for task in others)
            if self._running and closed or not self._waiting:
                return
            if not self._running:
                wanted = self._waiting[0].adapter
        if not self._running:
            self._switch(wanted)
        with self._wake:
            room = MAX_RUNNING - len(self._running)
            joining = [task for task in self._waiting if task.adapter is self._current][:room]
            self._waiting = [task for task in self._waiting if task not in joining]
            self._running += joining  # whatever happens from here on, somebody answers them
        for task in joining:
            try:
                self._begin(task)
            except RuntimeError as error:  # the library checks a request's numbers first; the others go on
                log.warning("a request was refused by the engine: %s", error)
                task.refuse(error)
            self.counts.requests += 1
            self.counts.prompt_tokens += len(task.prompt)
        self._running = [task for task in self._running if not task.done]

    def _begin(self, task: Task) -> None:
        self._next_id += 1
        task.begin(self._pipeline, self._next_id)

    def _switch(self, adapter: AppliedAdapter | None) -> None:
        if adapter is self._current:
            return
        while self._pipeline.has_non_finished_requests():
            self._pipeline.step()  # requests that were cancelled leave with the next step
        self._apply(self._pipeline, adapter)
        self._current = adapter

    def _apply(self, pipeline: ContinuousBatchingPipeline, adapter: AppliedAdapter | None) -> None:
        import openvino
        import openvino_genai as genai

        config = genai.GenerationConfig(max_new_tokens=1, eos_token_id=0, apply_chat_template=False)
        config.adapters = genai.AdapterConfig() if adapter is None else adapter.config
        pipeline.generate([openvino.Tensor(np.zeros((1, 1), np.int64))], [config])

    def _deliver(self) -> None:
        for task in self._running:
            self.counts.completion_tokens += task.receive()
            if task.resumes and not task.done:
                self._begin(task)
        self._running = [task for task in self._running if not task.done]

    def _recover(self, error: Exception) -> None:
        """Open the pipeline anew; the requests of this batch fail, waiting ones do not notice."""
        log.exception("a step of the engine failed; the pipeline is opened again")
        failed, self._running = self._running, []
        self._current = None
        self._pipeline = None  # frees its memory before the new one is opened
        self._pipeline = self._open()
        for task in failed:
            task.generation.fail(EngineStopped(f"The engine failed on this batch of requests: {error}"))
