"""What a model that classifies says of one text."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Classification:
    """The label that the model decides for, which need not be the likeliest: a guard has a threshold of its own."""

    label: str
    probabilities: dict[str, float]  # of every label, in the model's order; they add up to 1


Classify = Callable[[str], Classification]
