"""Optimizer and learning rate as asked for: Adam or AdamW, cosine annealing or flat, after a warm-up."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch

OPTIMIZERS = ("adamw_with_cosine_annealing", "adam_with_cosine_annealing", "adamw_with_flat_lr", "adam_with_flat_lr")
DEFAULT_WARMUP_STEPS = 200
WARMUP_SHARE = 0.1  # of a run, at most, unless warm-up steps are asked for: 200 steps are longer than a laptop's run


@dataclass(frozen=True)
class Schedule:
    """The learning rate at each of `total` steps: linear warm-up to `peak`, then cosine down to `floor` or flat."""

    peak: float
    floor: float
    warmup: int
    total: int
    cosine: bool

    def __call__(self, step: int) -> float:
        """The rate at a step counted from 0."""
        if step < self.warmup:
            return self.peak * (step + 1) / (self.warmup + 1)
        if not self.cosine:
            return self.peak
        progress = (step - self.warmup) / max(1, self.total - self.warmup)
        return self.floor + (self.peak - self.floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def warmup_steps(asked: int | None, total: int) -> int:
    """What was asked for, or 200 steps but no more than a tenth of the run."""
    return min(DEFAULT_WARMUP_STEPS, int(total * WARMUP_SHARE)) if asked is None else asked


def make_optimizer(
    word: str, parameters: Iterable[torch.nn.Parameter], *, rate: float, betas: tuple[float, float], weight_decay: float
) -> torch.optim.Optimizer:
    """The optimizer of one of the `OPTIMIZERS` words."""
    kind = torch.optim.AdamW if word.startswith("adamw") else torch.optim.Adam
    return kind(parameters, lr=rate, betas=betas, weight_decay=weight_decay, fused=True)
