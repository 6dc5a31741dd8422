"""NIM's classification: what a request may hold, and the shape of the answer, which is vLLM's."""

import time
import uuid
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from local_nemo.lm.classification import Classification
from local_nemo.lm.errors import InvalidRequest

MAX_INPUTS = 64
MAX_CHARACTERS = 100_000  # of one input
MODEL = "nvidia/llama-3.1-nemoguard-8b-content-safety"


class ClassifyBody(BaseModel):
    """POST /v1/classify"""

    model_config = ConfigDict(extra="ignore")
    model: str = Field(min_length=1, max_length=1000, examples=[MODEL])
    input: str | list[str] = Field(
        examples=["How do I bake bread?"], description=f"Text, or at most {MAX_INPUTS} texts"
    )

    def texts(self) -> list[str]:
        """Raises InvalidRequest."""
        texts = [self.input] if isinstance(self.input, str) else self.input
        if not 1 <= len(texts) <= MAX_INPUTS:
            raise InvalidRequest(f"{len(texts)} inputs; a request has 1 to {MAX_INPUTS} of them.", "input")
        for number, text in enumerate(texts):
            if not text.strip() or len(text) > MAX_CHARACTERS:
                raise InvalidRequest(
                    f"Input {number} has {len(text)} characters; an input is a text of at most {MAX_CHARACTERS}.",
                    "input",
                )
        return texts


class Class(BaseModel):
    """What the model says of one input; `probs` are in the order of the model's labels (safe, unsafe)."""

    index: int = Field(examples=[0])
    label: str = Field(examples=["safe"], description="the model's decision, by its own threshold")
    probs: list[float] = Field(examples=[[0.97, 0.03]])
    num_classes: int = Field(examples=[2])


class ClassList(BaseModel):
    """One class for each input, in their order."""

    id: str = Field(examples=["classify-538bbb6949e642a5be7c6240c69f7caf"])
    object: Literal["list"]
    created: int = Field(examples=[1744130000])
    model: str = Field(examples=[MODEL])
    data: list[Class]


def answer(model: str, made: Sequence[Classification]) -> dict[str, Any]:
    data = [
        {
            "index": index,
            "label": one.label,
            "probs": list(one.probabilities.values()),
            "num_classes": len(one.probabilities),
        }
        for index, one in enumerate(made)
    ]
    head = {"id": f"classify-{uuid.uuid4().hex}", "object": "list", "created": int(time.time()), "model": model}
    return head | {"data": data}
