"""The linear head of the demo safety model: logistic regression over the encoder's features, kept in `head.json`.

The file holds weights, bias, threshold and where it all comes from; `make_head.py` writes it, anyone can run that
again.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

HEAD = Path(__file__).with_name("head.json")


class HeadMissing(RuntimeError):
    """`head.json` is gone or unusable."""


@dataclass(frozen=True)
class Head:
    """`unsafe(features)` gives one probability per row; at `threshold` or above a text counts as unsafe."""

    weights: np.ndarray  # float32 [features]
    bias: float
    threshold: float

    @classmethod
    def load(cls, path: Path = HEAD, features: int | None = None) -> "Head":
        """The head in a file, read again only when the file changes. Raises `HeadMissing` with the reason."""
        try:
            return cls._read(path, features, path.stat().st_mtime_ns)
        except OSError as error:
            raise HeadMissing(f"the safety model's {path.name} can't be read ({error.strerror})") from error

    @classmethod
    @lru_cache(maxsize=4)
    def _read(cls, path: Path, features: int | None, _changed: int) -> "Head":
        try:
            stored = json.loads(path.read_text())
            head = cls(np.asarray(stored["weights"], np.float32), float(stored["bias"]), float(stored["threshold"]))
        except (ValueError, KeyError, TypeError) as error:
            raise HeadMissing(f"the safety model's {path.name} is damaged ({type(error).__name__}: {error})") from error
        if not (np.isfinite(head.weights).all() and np.isfinite(head.bias) and 0 < head.threshold < 1):
            raise HeadMissing(f"the safety model's {path.name} holds numbers that can't be right")
        if features is not None and head.weights.shape != (features,):
            raise HeadMissing(f"the safety model's {path.name} has {head.weights.size} weights, not {features}")
        return head

    def unsafe(self, features: np.ndarray) -> np.ndarray:
        """Float [rows]: the probability that each row's text asks for something unsafe."""
        return 1 / (1 + np.exp(-np.clip(features @ self.weights + self.bias, -30, 30)))
