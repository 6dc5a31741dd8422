"""The linear head of the demo safety model: logistic regression over the encoder's features, kept in `head.json`.

The file holds weights, bias, threshold, the encoder whose features they are for, and where it all comes from;
`make_head.py` writes it, anyone can run that again.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from local_nemo.lm.encoder import LAYERS, MARK, WIDTH

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
    def load(cls, path: Path = HEAD) -> "Head":
        """The head in a file, read again only when the file changes. Raises `HeadMissing` with the reason."""
        try:
            return cls._read(path, path.stat().st_mtime_ns)
        except OSError as error:
            raise HeadMissing(f"the safety model's {path.name} can't be read ({error.strerror})") from error

    @classmethod
    @lru_cache(maxsize=4)
    def _read(cls, path: Path, _changed: int) -> "Head":
        try:
            stored = json.loads(path.read_text())
            made_for = stored["encoder"]
            head = cls(np.asarray(stored["weights"], np.float32), float(stored["bias"]), float(stored["threshold"]))
        except (ValueError, KeyError, TypeError) as error:
            raise HeadMissing(f"the safety model's {path.name} is damaged ({type(error).__name__}: {error})") from error
        if not (np.isfinite(head.weights).all() and np.isfinite(head.bias) and 0 < head.threshold < 1):
            raise HeadMissing(f"the safety model's {path.name} holds numbers that can't be right")
        if made_for != MARK or head.weights.shape != (LAYERS * WIDTH,):
            raise HeadMissing(
                f"the safety model's {path.name} was made for encoder {made_for!r} with {head.weights.size} features; "
                f"this is {MARK!r} with {LAYERS * WIDTH}. Next step: make it again with local_nemo/guard/make_head.py"
            )
        return head

    def unsafe(self, features: np.ndarray) -> np.ndarray:
        """Float [rows]: the probability that each row's text asks for something unsafe."""
        return 1 / (1 + np.exp(-np.clip(features @ self.weights + self.bias, -30, 30)))
