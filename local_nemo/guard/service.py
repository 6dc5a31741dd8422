"""The guard: checks conversations with the rails of a configuration, and answers chats between input and output
rails.

One thread with an event loop runs all rails (the library is asynchronous); callers wait for their result in their own
threads. Compiled configurations are kept by content. Every way to fail ends in an unreadable result, never in
"allowed".
"""

import asyncio
import hashlib
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from local_nemo.evaluation.target import is_loopback
from local_nemo.guard import library
from local_nemo.guard.config import ConfigError, read_config
from local_nemo.guard.config_data import ConfigData, GuardModel
from local_nemo.guard.factory import FACTORY_CONFIGS
from local_nemo.guard.flows import ConfiguredFlow, Direction
from local_nemo.guard.local_model import ask_engine
from local_nemo.guard.results import CheckResult, RailResult, worst
from local_nemo.guard.safety_model import SafetyModel
from local_nemo.guard.texts import Uncheckable, last_assistant_text, last_user_text, pieces
from local_nemo.lm.encoder import Encoder
from local_nemo.settings import Settings
from local_nemo.store.entities import AlreadyExists, Entities

if TYPE_CHECKING:  # importing the library takes three seconds: library.py
    from local_nemo.guard.models import Answer, Ask
    from local_nemo.guard.rails import CompiledRails
    from local_nemo.lm.engine import Engine

log = logging.getLogger("local_nemo.guard")
KIND = "guardrail_config"
CHECK_SECONDS = 30.0  # for one rail over one piece of text
COMPILED_KEPT = 32  # configurations
WORKERS = 16  # threads that wait for local models
T = TypeVar("T")


class Guard:
    """Rails over conversations. `start` mounts the safety model and stores the factory configurations."""

    def __init__(self, settings: Settings, entities: Entities, engine: "Engine", encoder: Encoder) -> None:
        self._settings, self._entities, self._engine = settings, entities, engine
        self._safety = SafetyModel(encoder)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="guard", daemon=True)
        self._workers = ThreadPoolExecutor(WORKERS, "guard-model")
        self._compiler = ThreadPoolExecutor(1, "guard-compile", initializer=self._give_a_loop)
        self._compiler_loop = asyncio.new_event_loop()
        self._compiled: OrderedDict[str, asyncio.Future[CompiledRails]] = OrderedDict()

    def start(self) -> None:
        """Serve the safety model, make sure the factory configurations exist, load the library in the background."""
        os.environ["NEMO_GUARDRAILS_NO_USAGE_STATS"] = "1"
        logging.getLogger("nemoguardrails").setLevel(logging.CRITICAL)  # it logs what users say; failures are results
        for config in FACTORY_CONFIGS:
            try:
                self._entities.create(KIND, dict(config))
            except AlreadyExists:
                continue
        self._safety.start(self._engine)
        self._thread.start()
        self._loop.call_soon_threadsafe(library.load)

    def stop(self) -> None:
        """End the thread; a check that still runs becomes unreadable for its caller."""
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._compiler.shutdown(wait=True, cancel_futures=True)
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=5)
        for loop in (self._loop, self._compiler_loop):
            if not loop.is_running():
                loop.close()

    def _give_a_loop(self) -> None:
        """The library wants an event loop in a thread that compiles, and would never close one of its own."""
        asyncio.set_event_loop(self._compiler_loop)

    def read_config(self, data: Any) -> ConfigData:
        """A usable configuration with its defaults filled in. Raises `ConfigError`."""
        return read_config(data, self.may_call, self._served)

    def read_new_config(self, data: Any) -> ConfigData:
        """As `read_config`, and the library has taken it, too: for a configuration that is about to be stored."""
        config = self.read_config(data)
        try:
            self.run(self._compile(config))
        except ValueError as error:  # of which the library's configuration errors are kinds
            raise ConfigError((), f"nemoguardrails refuses it: {error}") from None
        return config

    def check(
        self,
        config: ConfigData,
        messages: Sequence[Mapping[str, Any]],
        *,
        model: str,
        rails: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> CheckResult:
        """Run the configured rails over a conversation: input rails, then output rails if an assistant has spoken.

        `rails` may switch a side off or name the rails to run (`{"input": ["…"], "output": False}`).
        """
        return self.run(self.check_async(config, messages, model=model, rails=rails, key=key))

    def check_one_side(
        self, config: ConfigData, messages: Sequence[Mapping[str, Any]], side: Direction, **options: Any
    ) -> CheckResult:
        """As `check`, with the rails of the other side left out."""
        other: Direction = "output" if side == "input" else "input"
        rails = {**(options.pop("rails", None) or {}), other: False}
        return self.check(config, messages, rails=rails, **options)

    def ask(
        self, model: GuardModel, name: str, messages: list[dict[str, Any]], params: Mapping[str, Any], key: str | None
    ) -> "Answer":
        """One answer of a model of the configuration, for callers outside the loop."""

        async def work() -> "Answer":
            library.load()
            from local_nemo.guard.models import MODEL_KEY

            MODEL_KEY.set(key)
            return await self.way_to(model)(name, messages, params)

        return self.run(work())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the guard's loop and wait for it here."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def check_async(
        self,
        config: ConfigData,
        messages: Sequence[Mapping[str, Any]],
        *,
        model: str,
        rails: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> CheckResult:
        """As `check`, on the guard's loop."""
        started = time.perf_counter()
        try:
            user, bot = last_user_text(messages), last_assistant_text(messages)
        except Uncheckable as error:
            return CheckResult(problem=str(error), seconds=time.perf_counter() - started)
        said: tuple[tuple[Direction, str | None], ...] = (("input", user), ("output", bot))
        chosen = [
            flow
            for direction, text in said
            if text is not None
            for flow in self._chosen(config, direction, rails or {})
        ]
        if not chosen and _wanted(config, rails or {}):
            return CheckResult(problem="no configured rail ran: it found no message of the role that it judges")
        try:
            compiled = await self._compile(config)
        except Exception as error:  # whatever the library dislikes: without rails nothing is allowed
            log.exception("a configuration could not be compiled")
            return CheckResult(problem=f"the rails could not be set up: {type(error).__name__}: {error}")
        from local_nemo.guard.models import MAIN_MODEL, MODEL_KEY

        MAIN_MODEL.set(model)
        MODEL_KEY.set(key)
        results: list[RailResult] = []
        for flow in chosen:
            results.append(await _run_pieces(compiled, flow, user or "", bot or ""))
            if results[-1].outcome.value != "success":
                break  # rails after the first that stops are left out
        return CheckResult(tuple(results), seconds=time.perf_counter() - started)

    @staticmethod
    def _chosen(config: ConfigData, direction: Direction, rails: Mapping[str, Any]) -> list[ConfiguredFlow]:
        wanted = rails.get(direction, True)
        flows = config.flows(direction)
        if isinstance(wanted, list):
            if unknown := set(wanted) - {flow.text for flow in flows}:
                raise ConfigError(
                    ("options", "rails", direction), f"not in the configuration: {', '.join(sorted(unknown))}"
                )
            return [flow for flow in flows if flow.text in wanted]
        return flows if wanted else []

    async def _compile(self, config: ConfigData) -> "CompiledRails":
        """The configuration's rails, compiled once; callers that come meanwhile wait for the same work."""
        library.load()
        from local_nemo.guard.rails import CompiledRails

        name = hashlib.sha256(config.model_dump_json().encode()).hexdigest()
        if name not in self._compiled:
            self._compiled[name] = self._loop.run_in_executor(self._compiler, CompiledRails, config, self.way_to)
            while len(self._compiled) > COMPILED_KEPT:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(name)
        try:
            return await asyncio.shield(self._compiled[name])
        except Exception:
            self._compiled.pop(name, None)
            raise

    def way_to(self, model: GuardModel | None) -> "Ask":
        """How a model is asked: in this process if the local NIM serves it, else at its `base_url`."""
        from local_nemo.guard.models import remote

        url = model.parameters.get("base_url") if model else None
        if model is None or url is None or str(url).startswith(self._settings.nim_url + "/"):
            return ask_engine(self._engine, self._workers)
        return remote(model, self._listed)

    def may_call(self, url: str) -> bool:
        """Whether the settings allow this server to call a URL: loopback, or a listed host."""
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError:
            return False
        usable = parts.scheme in ("http", "https") and not parts.username and not parts.query
        return usable and (is_loopback(host) or self._listed(url))

    def _listed(self, url: str) -> bool:
        host = (urlsplit(url).hostname or "").lower()
        return host in {one.lower() for one in self._settings.allowed_hosts}

    def _served(self) -> set[str]:
        return {one.id for one in self._engine.models()}


def _wanted(config: ConfigData, rails: Mapping[str, Any]) -> bool:
    """Whether the configuration has rails that the request did not switch off."""
    return any(config.flows(side) and rails.get(side, True) for side in ("input", "output"))


async def _run_pieces(compiled: "CompiledRails", flow: ConfiguredFlow, user: str, bot: str) -> RailResult:
    """One rail over a text of any length: the worst outcome of its pieces counts."""
    room = compiled.room(flow)
    if flow.flow.direction == "input":
        parts = [(part, "") for part in pieces(user, room)]
    else:
        shown = user[: room // 4]  # the question, as context for judging the answer
        parts = [(shown, part) for part in pieces(bot, room - len(shown))]
    results: list[RailResult] = []
    for question, answer in parts:
        results.append(await compiled.run(flow, question, answer, CHECK_SECONDS))
        if results[-1].outcome.value == "blocked":
            break
    outcome = worst(one.outcome for one in results)
    chosen = next(one for one in results if one.outcome is outcome)
    return RailResult(
        chosen.name,
        chosen.direction,
        outcome,
        chosen.reason,
        chosen.record,
        [call for one in results for call in one.calls],
        sum(one.seconds for one in results),
    )
