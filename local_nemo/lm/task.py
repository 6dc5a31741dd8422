"""One request inside the engine's thread: from prompt tokens to pieces of text.

It turns tokens into text that never splits a character, ends at stop texts, and keeps log probabilities if asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers.decoders import DecodeStream

from .errors import EngineStopped, InvalidRequest
from .generation import Generation, TokenLogprob
from .grammar import Guide
from .stop_texts import StopTexts
from .watch import Watch

if TYPE_CHECKING:
    from openvino_genai import ContinuousBatchingPipeline, GenerationConfig

    from .chat_tokenizer import ChatTokenizer
    from .runner import AppliedAdapter


class Cancelled(Exception):
    """The caller did not want the rest of the answer."""


@dataclass(eq=False)
class Task:
    """A sequence to generate. The runner sets `adapter` (None is the base model) when it takes the task."""

    prompt: list[int]
    max_tokens: int
    configure: Callable[[int, Guide | None], GenerationConfig]  # (tokens left, guide) -> the engine's configuration
    tokenizer: ChatTokenizer
    stops: tuple[str, ...] = ()
    keep_logprobs: bool = False
    guide: Guide | None = None
    adapter: AppliedAdapter | None = None
    generation: Generation = field(init=False)
    submitted: float = 0.0
    cancelled: bool = False
    done: bool = False
    tokens: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    resumes: bool = False  # a string was cut: `begin` again, to go on after it
    _handle: Any = None  # openvino_genai.GenerationHandle, once begun
    _text: str = ""  # everything written

    def __post_init__(self) -> None:
        self._stop_texts = StopTexts(self.stops)
        self._watch = Watch(self.guide) if self.guide and self.guide.has_json else None

    def begin(self, pipeline: ContinuousBatchingPipeline, id: int) -> None:
        """Join the pipeline's batch, or join it again after a string was cut."""
        import openvino

        prompt = self.prompt + self.tokenizer.encode(self._text) if self.resumes else self.prompt
        self.resumes = False
        self._decoder, self._part_text = DecodeStream(skip_special_tokens=True), ""
        self._part: list[int] = []
        config = self.configure(self.max_tokens - len(self.tokens), self.guide)
        self._handle = pipeline.add_request(id, openvino.Tensor(np.array([prompt], np.int64)), config)

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
        elif self.resumes:
            self._handle.cancel()
            if len(self.tokens) >= self.max_tokens:
                self._end("length")
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

    def refuse(self, error: Exception) -> None:
        """End a task that the pipeline did not take; the last line of the library's message says why."""
        self.done = True
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        self.generation.fail(InvalidRequest(f"The engine refuses this request: {reason[0]}"))

    def _take(self, tokens: list[int], logprobs: list[float]) -> None:
        for token, logprob in zip(tokens, logprobs, strict=False):
            if self.resumes:
                return
            self.tokens.append(token)
            self._part.append(token)
            if self.keep_logprobs:
                self.logprobs.append(TokenLogprob(self.tokenizer.decode([token]), logprob))
            text = self._decoder.step(self.tokenizer.backend_tokenizer, token)
            if text:
                self._show(text)

    def _show(self, text: str) -> None:
        self._part_text += text
        if self._watch and (cut := self._watch.feed(text)):
            text, self.guide = cut
            self.resumes = True
        self._text += text
        if piece := self._stop_texts.feed(text):
            self.generation.add(piece)

    def _end(self, reason: str) -> None:
        self.done = True
        if not self._stop_texts.found:
            whole = self.tokenizer.decode(self._part, skip_special_tokens=True)
            if not self.resumes and len(whole) > len(self._part_text):
                self._show(whole[len(self._part_text) :])  # a last character whose bytes never became complete
            if rest := self._stop_texts.finish():
                self.generation.add(rest)
        self.generation.end(reason)
