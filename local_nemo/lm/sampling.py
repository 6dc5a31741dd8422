"""How one answer is sampled: the request's numbers, checked, and as the engine's configuration.

Temperature 0 is greedy. Ranges are OpenAI's. It knows neither prompts nor models.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .errors import InvalidRequest

if TYPE_CHECKING:
    from openvino_genai import GenerationConfig

MAX_STOPS = 16
MAX_STOP_LENGTH = 1000
GREEDY_BELOW = 1e-3  # a temperature this small is greedy in floating point
GREEDY_TOP_P = 1e-6  # less than the likeliest token of any vocabulary has; the engine takes no top_p that is 0 in fp32


@dataclass(frozen=True)
class Sampling:
    """`max_tokens` None lets the model's context decide, up to a default of the caller."""

    max_tokens: int | None = None
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logprobs: bool = False

    def __post_init__(self) -> None:
        _between("temperature", self.temperature, 0, 2)
        _between("top_p", self.top_p, 0, 1)
        _between("presence_penalty", self.presence_penalty, -2, 2)
        _between("frequency_penalty", self.frequency_penalty, -2, 2)
        if self.max_tokens is not None and self.max_tokens < 1:
            raise InvalidRequest(f"max_tokens is {self.max_tokens}; it must be at least 1.", "max_tokens")
        if len(self.stop) > MAX_STOPS or any(not 0 < len(text) <= MAX_STOP_LENGTH for text in self.stop):
            raise InvalidRequest(
                f"stop takes up to {MAX_STOPS} texts of 1 to {MAX_STOP_LENGTH} characters, not {len(self.stop)}.",
                "stop",
            )

    def nth(self, index: int) -> Sampling:
        """The sampling of the request's choice number `index`: the same, with a seed of its own."""
        return self if self.seed is None else replace(self, seed=self.seed + index)

    def config(self, *, max_tokens: int, end_tokens: frozenset[int], seed: int) -> GenerationConfig:
        """The engine's configuration of this sampling. `seed` is used where the request has none."""
        from openvino_genai import GenerationConfig

        config = GenerationConfig()
        config.max_new_tokens = max_tokens
        config.stop_token_ids = set(end_tokens)
        config.eos_token_id = min(end_tokens)
        config.apply_chat_template = False
        config.logprobs = int(self.logprobs)
        config.presence_penalty = self.presence_penalty
        config.frequency_penalty = self.frequency_penalty
        config.do_sample = self.temperature > GREEDY_BELOW and self.top_p > GREEDY_TOP_P
        if config.do_sample:
            config.temperature = self.temperature
            config.top_p = self.top_p
            config.rng_seed = (seed if self.seed is None else self.seed) % 2**31
        return config


def _between(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # also refuses NaN
        raise InvalidRequest(f"{name} is {value}; it must be between {low} and {high}.", name)
