"""One request inside the engine's thread: from prompt tokens to pieces of text.

It turns tokens into text that never splits a character, ends at stop texts, and keeps log probabilities if asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from tokenizers.decoders import DecodeStream

from .errors import EngineStopped
from .generation import Generation, TokenLogprob
from .stop_texts import StopTexts

if TYPE_CHECKING:
    from openvino_genai import ContinuousBatchingPipeline, GenerationConfig, GenerationHandle
    from transformers import PreTrainedTokenizerFast


class Cancelled(Exception):
    """The caller did not want the rest of the answer."""


@dataclass(eq=False)
class Task:
    """A sequence to generate. `adapter` None is the base model; `config` comes from the request's sampling."""

    prompt: list[int]
    config: GenerationConfig
    adapter: str | None
    tokenizer: PreTrainedTokenizerFast
    stops: tuple[str, ...] = ()
    generation: Generation = field(init=False)
    submitted: float = 0.0
    cancelled: bool = False
    done: bool = False
    tokens: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    _handle: GenerationHandle | None = None
    _shown: str = ""

    def __post_init__(self) -> None:
        self._stop_texts = StopTexts(self.stops)
        self._decoder = DecodeStream(skip_special_tokens=True)

    def begin(self, pipeline: ContinuousBatchingPipeline, id: int) -> None:
        """Join the pipeline's batch."""
        import openvino

        self._handle = pipeline.add_request(id, openvino.Tensor(np.array([self.prompt], np.int64)), self.config)

    def receive(self) -> int:
        """Take over what the last step wrote; returns the number of new tokens."""
        from openvino_genai import GenerationFinishReason, GenerationStatus

        count, reason = 0, GenerationFinishReason.NONE
        while self._handle.can_read():
            for output in self._handle.read().values():
                count += len(output.generated_ids)
                reason = output.finish_reason
                self._take(output.generated_ids, output.generated_log_probs)
        status = self._handle.get_status()
        if self._stop_texts.found:
            self._handle.cancel()
            self._end("stop")
        elif reason != GenerationFinishReason.NONE or status == GenerationStatus.FINISHED:
            self._end("length" if reason == GenerationFinishReason.LENGTH else "stop")
        elif status != GenerationStatus.RUNNING:
            self.done = True
            self.generation.fail(EngineStopped("The engine has no memory left for a context this long."))
        return count

    def abandon(self) -> None:
        """Free what the engine holds for a task that was cancelled."""
        if self._handle is not None:
            self._handle.cancel()
        self.done = True
        self.generation.fail(Cancelled("The request was cancelled."))

    def _take(self, tokens: list[int], logprobs: list[float]) -> None:
        for token, logprob in zip(tokens, logprobs, strict=False):
            self.tokens.append(token)
            if self.config.logprobs:
                self.logprobs.append(TokenLogprob(self.tokenizer.decode([token]), logprob))
            text = self._decoder.step(self.tokenizer.backend_tokenizer, token)
            if text:
                self._show(text)

    def _show(self, text: str) -> None:
        self._shown += text
        if piece := self._stop_texts.feed(text):
            self.generation.add(piece)

    def _end(self, reason: str) -> None:
        self.done = True
        if not self._stop_texts.found:
            whole = self.tokenizer.decode(self.tokens, skip_special_tokens=True)
            if len(whole) > len(self._shown):
                self._show(whole[len(self._shown) :])  # a last character whose bytes never became complete
            if rest := self._stop_texts.finish():
                self.generation.add(rest)
        self.generation.end(reason)
