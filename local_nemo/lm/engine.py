"""The one object through which everything else uses language models.

It loads the base model in the background, serves it, any number of LoRA adapters on it, further base models,
functions that other parts mount as models (the safety model, which classifies too), and a model that embeds. Requests
that come early wait for the loading. It knows no HTTP; what can go wrong is in `errors.py`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from typing import TYPE_CHECKING

from .base import refuse_foreign_hub
from .chat import ChatRequest, CompletionRequest
from .classification import Classification, Classify
from .embedder import Embedder, EmbeddingRequest, Embeddings
from .errors import EngineStopped, InvalidRequest, LanguageModelError, ModelNotServed
from .generation import Generation
from .local_model import LocalModel
from .mounted import MountedModel, Respond
from .prepare import prepare, prepared
from .served import ServedModel

if TYPE_CHECKING:
    from local_nemo.settings import Settings

__all__ = ["ChatRequest", "CompletionRequest", "Engine", "ServedModel", "prepare_base"]
log = logging.getLogger("local_nemo.engine")
LOAD_SECONDS = 600  # how long a request waits for the base model


def prepare_base(settings: Settings) -> Path:
    """Build the derived files of the settings' base model; returns the folder of the exported graph."""
    return prepare(settings.base_model, settings.base_name, settings.cache).ir


class Engine:
    """Every method may be called from any thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._loaded: Future[LocalModel] = Future()  # the base model of the settings
        self._early: dict[str, Path] = {}  # adapters that were added while the base was loading
        self._others: dict[str, LocalModel] = {}
        self._mounted: dict[str, MountedModel] = {}
        self._embedders: dict[str, Embedder] = {}
        self._stopped = False

    @property
    def base_name(self) -> str:
        return self._settings.base_name

    @property
    def ready(self) -> bool:
        return self._loaded.done() and not self._stopped and self._loaded.exception() is None

    @property
    def failure(self) -> str | None:
        """Why the base model could not be loaded, if it could not."""
        return str(self._loaded.exception()) if self._loaded.done() and self._loaded.exception() else None

    def start(self) -> None:
        """Begin to load the base model; returns at once."""
        threading.Thread(target=self._load, name="lm-load", daemon=True).start()

    def stop(self) -> None:
        """End all models; unfinished answers fail with EngineStopped."""
        with self._lock:
            self._stopped = True
            models = list(self._others.values())
            if self._loaded.done() and self._loaded.exception() is None:
                models.append(self._loaded.result())
        for model in models:
            model.stop()

    def wait_ready(self, timeout: float | None = None) -> bool:
        """Wait until the base model is loaded; False when it is not after `timeout` seconds.

        Raises EngineStopped with the reason if loading has failed.
        """
        try:
            self._base(timeout)
        except FutureTimeout:
            return False
        return True

    def models(self) -> list[ServedModel]:
        """What is served now: base models, adapters, mounted models, those that embed."""
        return self._answering() + [one.card for one in self._embedders.values()]

    def _answering(self) -> list[ServedModel]:
        """The models that can be asked for an answer."""
        cards: list[ServedModel] = []
        with self._lock:
            mounted = [one.card for one in self._mounted.values()]
            others = list(self._others.values())
        if self.ready:
            cards += self._loaded.result().cards()
        for model in others:
            cards += model.cards()
        return cards + mounted

    def add_adapter(self, name: str, folder: Path) -> None:
        """Serve the PEFT adapter in `folder` as `name`, without a restart. Raises served.BadAdapter."""
        with self._lock:
            if not self._loaded.done():
                self._early[name] = Path(folder)
                return
        self._base(0).add_adapter(name, Path(folder))

    def remove_adapter(self, name: str) -> None:
        """Stop serving an adapter; harmless if it is not served."""
        with self._lock:
            self._early.pop(name, None)
        if self.ready:
            self._loaded.result().remove_adapter(name)

    def mount(self, card: ServedModel, respond: Respond, classify: Classify | None = None) -> None:
        """Serve functions as a model: `respond(messages, request)` returns the answer's text, `classify` a class."""
        with self._lock:
            self._mounted[card.id] = MountedModel(card, respond, classify)

    def mount_embedder(self, embedder: Embedder) -> None:
        """List a model that embeds texts, and serve it (before `start`)."""
        self._embedders[embedder.card.id] = embedder

    def load_base(self, name: str, reference: str) -> None:
        """Load a further base model (folder or hub id) and serve it as `name`.

        Raises BaseModelUnavailable, also when the hub is no host that the settings allow the server to call.
        """
        refuse_foreign_hub(reference, self._settings.allowed_hosts)
        model = LocalModel(prepared(reference, name, self._settings.cache), self._settings.threads)
        with self._lock:
            if not self._stopped:
                self._others[name] = model
                return
        model.stop()

    def unload_base(self, name: str) -> None:
        """Stop serving a further base model and free its memory; harmless if it is not served."""
        with self._lock:
            model = self._others.pop(name, None)
        if model:
            model.stop()

    def chat(self, request: ChatRequest) -> Generation:
        """Begin to answer a conversation. Raises what `errors.py` lists, before anything is generated."""
        mounted = self._mounted.get(request.model)
        if mounted:
            return mounted.chat(request)
        return self._model(request.model).chat(request)

    def complete(self, request: CompletionRequest) -> Generation:
        """Begin to continue a text. Raises what `errors.py` lists, before anything is generated."""
        return self._model(request.model).complete(request)

    def embed(self, request: EmbeddingRequest) -> Embeddings:
        """The vectors of texts; returns when they are computed. Raises what `errors.py` lists."""
        embedder = self._embedders.get(request.model)
        if embedder:
            return embedder.embed(request)
        if request.model not in {self.base_name, *(card.id for card in self._answering())}:
            raise ModelNotServed(request.model, [card.id for card in self.models()])
        embedding = ", ".join(self._embedders) or "none"
        raise InvalidRequest(
            f"The model `{request.model}` answers and doesn't embed. Models that embed: {embedding}.", "model"
        )

    def classify(self, model: str, texts: Sequence[str]) -> list[Classification]:
        """The class of each text; returns when all are known. Raises what `errors.py` lists."""
        with self._lock:
            classifying = {name: one.classify for name, one in self._mounted.items() if one.classify}
        if model in classifying:
            return [classifying[model](text) for text in texts]
        served = [card.id for card in self.models()]
        if model not in {self.base_name, *served}:
            raise ModelNotServed(model, served)
        names = ", ".join(classifying) or "none"
        raise InvalidRequest(f"The model `{model}` doesn't classify. Models that do: {names}.", "model")

    def load_figures(self) -> dict[str, float]:
        """Counters and queue lengths of all local models, for the metrics page."""
        with self._lock:
            models = list(self._others.values())
        if self.ready:
            models.append(self._loaded.result())
        figures: dict[str, float] = {}
        for model in models:
            for key, value in model.figures().items():
                figures[key] = figures.get(key, 0) + value
        return figures

    def _load(self) -> None:
        settings = self._settings
        try:
            started = time.monotonic()
            found = prepared(settings.base_model, settings.base_name, settings.cache)
            model = LocalModel(found, settings.threads)
        except (LanguageModelError, OSError, RuntimeError, ValueError) as error:
            log.exception("the base model could not be loaded")
            self._loaded.set_exception(EngineStopped(str(error)))
            return
        with self._lock:
            self._loaded.set_result(model)
            early, self._early = self._early, {}
        for name, folder in early.items():
            try:
                model.add_adapter(name, folder)
            except ValueError as error:
                log.error("adapter %s is not served: %s", name, error)
        log.info("base model %s ready after %.1f s", settings.base_name, time.monotonic() - started)

    def _base(self, timeout: float | None = None) -> LocalModel:
        return self._loaded.result(timeout)

    def _model(self, name: str) -> LocalModel:
        """The local model that serves `name`, waiting for the base model if that is what it needs."""
        if name in self._embedders:
            answering = ", ".join(card.id for card in self._answering()) or "none yet"
            raise InvalidRequest(f"The model `{name}` only embeds. Models that answer: {answering}.", "model")
        with self._lock:
            known = name == self.base_name or name in self._early
            other = next((model for model in self._others.values() if model.serves(name)), None)
        if other:
            return other
        if known or (self._loaded.done() and self.ready and self._loaded.result().serves(name)):
            try:
                return self._base(LOAD_SECONDS)
            except FutureTimeout:
                raise EngineStopped(f"The base model was not loaded within {LOAD_SECONDS} s.") from None
        raise ModelNotServed(name, [card.id for card in self.models()])
