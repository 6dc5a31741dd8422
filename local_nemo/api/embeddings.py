"""NIM's embeddings: what a request may hold, OpenAI's fields and NIM's own, and the shape of the answer.

What the model can't do is refused by name: other dimensions than its own, other number types than floats.
"""

import base64
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from local_nemo.lm.embedder import MAX_TOKENS, MODEL_ID, EmbeddingRequest, Embeddings, Truncate
from local_nemo.lm.encoder import WIDTH
from local_nemo.lm.errors import InvalidRequest

MAX_INPUTS = 256
MAX_CHARACTERS = 100_000  # of one input; far more than the model reads, with `truncate` too
TEXT = "Wind speed and temperature for a place and a day."


class EmbeddingBody(BaseModel):
    """POST /v1/embeddings"""

    model_config = ConfigDict(extra="ignore")
    model: str = Field(min_length=1, max_length=1000, examples=[MODEL_ID])
    input: str | list[str] | list[int] | list[list[int]] = Field(
        examples=[[TEXT]], description=f"Text, texts, token ids or lists of them; at most {MAX_INPUTS} inputs"
    )
    encoding_format: Literal["float", "base64"] | None = Field(
        None, examples=["float"], description="base64: the bytes of little-endian 32-bit floats"
    )
    dimensions: int | None = Field(None, examples=[WIDTH], description=f"{WIDTH}, if given")
    user: str | None = None
    input_type: Literal["query", "passage"] | None = Field(
        None, examples=["query"], description="Accepted; this model embeds both in the same way"
    )
    truncate: Truncate | None = Field(
        None,
        examples=["END"],
        description=f"What is cut off an input of more than {MAX_TOKENS} tokens; NONE (the default) refuses it",
    )
    embedding_type: Literal["float"] | None = None
    modality: Literal["text"] | list[Literal["text"]] | None = None

    def to_request(self) -> EmbeddingRequest:
        """Raises InvalidRequest."""
        if self.dimensions not in (None, WIDTH):
            raise InvalidRequest(
                f"{self.dimensions} dimensions are not supported: leave it out or use {WIDTH}.", "dimensions"
            )
        inputs = self._inputs()
        if not 1 <= len(inputs) <= MAX_INPUTS:
            raise InvalidRequest(f"{len(inputs)} inputs; a request has 1 to {MAX_INPUTS} of them.", "input")
        for number, one in enumerate(inputs):
            if len(one) > MAX_CHARACTERS:
                kind = "characters" if isinstance(one, str) else "tokens"
                raise InvalidRequest(
                    f"Input {number} has {len(one)} {kind}; an input may have {MAX_CHARACTERS}.", "input"
                )
        return EmbeddingRequest(self.model, inputs, self.truncate or "NONE")

    def _inputs(self) -> list[str | list[int]]:
        if isinstance(self.input, str):
            return [self.input]
        numbers = [one for one in self.input if isinstance(one, int)]
        return [numbers] if numbers else [one for one in self.input if not isinstance(one, int)]


class Embedding(BaseModel):
    """The vector of one input, of length 1: a list, or base64."""

    object: Literal["embedding"]
    index: int = Field(examples=[0])
    embedding: list[float] | str = Field(examples=[[0.0123, -0.0456, 0.0789]])


class EmbeddingUsage(BaseModel):
    """Tokens read, with the two around each input."""

    prompt_tokens: int = Field(examples=[12])
    total_tokens: int = Field(examples=[12])


class EmbeddingList(BaseModel):
    """OpenAI's list of embeddings, in the order of the inputs."""

    object: Literal["list"]
    data: list[Embedding]
    model: str = Field(examples=[MODEL_ID])
    usage: EmbeddingUsage


def answer(body: EmbeddingBody, made: Embeddings) -> dict[str, Any]:
    """What is sent: numbers that are read back as the same 32-bit floats, in both formats."""
    if body.encoding_format == "base64":
        vectors: list[Any] = [base64.b64encode(one.astype("<f4").tobytes()).decode() for one in made.vectors]
    else:
        vectors = made.vectors.tolist()
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": index, "embedding": one} for index, one in enumerate(vectors)],
        "model": body.model,
        "usage": {"prompt_tokens": made.tokens, "total_tokens": made.tokens},
    }
