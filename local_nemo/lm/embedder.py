"""Text embeddings: the sentence vectors of all-MiniLM-L6-v2, each of length 1, from the encoder that is loaded anyway.

Similar texts have vectors with a high dot product. A text has at most 256 tokens, as the model's own package sets it,
with the two that mark its begin and end; longer ones are refused or cut, as the request says. One request at a time
is computed, batch by batch, so that the safety model, which shares the encoder, competes with one and not with many.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .encoder import CLS, SEP, VOCABULARY, WIDTH, Encoder, EncoderMissing
from .errors import Busy, EngineStopped, InvalidRequest
from .served import ServedModel

MODEL_ID = "sentence-transformers/all-minilm-l6-v2"
MAX_TOKENS = 256  # with the two marks
MARKS = 2
MAX_QUEUE = 32  # requests that run or wait; past it a caller is told to come back
Truncate = Literal["NONE", "START", "END"]


@dataclass(frozen=True)
class EmbeddingRequest:
    """Texts, or their token ids with or without the marks. `truncate`: what of a longer one is cut off, if anything."""

    model: str
    inputs: Sequence[str | list[int]]
    truncate: Truncate = "NONE"


@dataclass(frozen=True, eq=False)
class Embeddings:
    """`vectors`: float32 [inputs, 384]; `tokens`: how many were read."""

    vectors: np.ndarray
    tokens: int


class Embedder:
    """Every method may be called from any thread."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._places = threading.BoundedSemaphore(MAX_QUEUE)
        self._turn = threading.Lock()
        self.card = ServedModel(
            id=MODEL_ID, root=MODEL_ID, parent=None, created=int(time.time()), max_model_len=MAX_TOKENS
        )

    def embed(self, request: EmbeddingRequest) -> Embeddings:
        """The vectors of a request's inputs, in their order. Raises InvalidRequest, Busy, EngineStopped."""
        if not self._places.acquire(blocking=False):
            raise Busy(retry_after=5)
        try:
            self._encoder.load()
            windows = [self._window(number, given, request.truncate) for number, given in enumerate(request.inputs)]
            with self._turn:
                vectors = self._encoder.features(windows)[:, -WIDTH:]
        except (EncoderMissing, OSError, RuntimeError) as error:
            raise EngineStopped(f"The model {MODEL_ID} can't be run: {error}") from error
        finally:
            self._places.release()
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return Embeddings(vectors / lengths, sum(len(window) + MARKS for window in windows))

    def _window(self, number: int, given: str | list[int], truncate: Truncate) -> list[int]:
        """The token ids of one input, without the marks."""
        tokens = self._encoder.tokens(given) if isinstance(given, str) else _unmarked(given)
        if not tokens:
            raise InvalidRequest(f"Input {number} is empty; every input needs a text.", "input")
        if unknown := next((token for token in tokens if not 0 <= token < VOCABULARY), None):
            raise InvalidRequest(
                f"Input {number} has token {unknown}; tokens of {MODEL_ID} are 0 to {VOCABULARY - 1}.", "input"
            )
        if len(tokens) + MARKS <= MAX_TOKENS:
            return tokens
        if truncate == "NONE":
            raise InvalidRequest(
                f"Input length {len(tokens) + MARKS} of input {number} exceeds the maximum of {MAX_TOKENS} tokens. "
                "Send a shorter text, or truncate END (keep the begin) or START (keep the end).",
                "input",
            )
        room = MAX_TOKENS - MARKS
        return tokens[:room] if truncate == "END" else tokens[-room:]


def _unmarked(tokens: list[int]) -> list[int]:
    """Token ids without the marks that tokenizers add, if they are there."""
    start, end = tokens[:1] == [CLS], tokens[-1:] == [SEP]
    return tokens[start : len(tokens) - end]
