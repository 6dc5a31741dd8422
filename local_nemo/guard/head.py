"""The head of the demo safety model: a network with one hidden layer over the encoder's features.

Its file, `head.safetensors`, holds the weights and says in its metadata which encoder's features they are for, the
threshold, and where it all comes from; `make_head.py` writes it, anyone can run that again.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from local_nemo.lm.encoder import LAYERS, MARK, WIDTH

HEAD = Path(__file__).with_name("head.safetensors")
HIDDEN = 256
SHAPES = {"hidden": (HIDDEN, LAYERS * WIDTH), "hidden_bias": (HIDDEN,), "out": (HIDDEN,), "out_bias": (1,)}


class HeadMissing(RuntimeError):
    """`head.safetensors` is gone or unusable."""


@dataclass(frozen=True)
class Head:
    """`unsafe(features)` gives one probability per row; at `threshold` or above a text counts as unsafe."""

    hidden: np.ndarray  # float32 [HIDDEN, features]
    hidden_bias: np.ndarray  # float32 [HIDDEN]
    out: np.ndarray  # float32 [HIDDEN]
    out_bias: np.ndarray  # float32 [1]
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
            with safe_open(path, framework="numpy") as file:
                tensors = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118
                about = json.loads((file.metadata() or {})["head"])
            made_for, threshold = about["encoder"], float(about["threshold"])
            shapes = {name: tensor.shape for name, tensor in tensors.items()}
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise HeadMissing(f"the safety model's {path.name} is damaged ({type(error).__name__}: {error})") from error
        if made_for != MARK or shapes != SHAPES:
            raise HeadMissing(
                f"the safety model's {path.name} was made for encoder {made_for!r} with shapes {shapes}; this is "
                f"{MARK!r} with {SHAPES}. Next step: make it again with local_nemo/guard/make_head.py"
            )
        if not (all(np.isfinite(tensor).all() for tensor in tensors.values()) and 0 < threshold < 1):
            raise HeadMissing(f"the safety model's {path.name} holds numbers that can't be right")
        return cls(**tensors, threshold=threshold)

    def unsafe(self, features: np.ndarray) -> np.ndarray:
        """Float [rows]: the probability that each row's text asks for something unsafe."""
        hidden = np.maximum(features @ self.hidden.T + self.hidden_bias, 0)
        return 1 / (1 + np.exp(-np.clip(hidden @ self.out + self.out_bias[0], -30, 30)))
