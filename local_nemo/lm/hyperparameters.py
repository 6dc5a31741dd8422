"""What a training is asked to do, as one immutable value.

Ranges are checked where requests come in (api/customizer_bodies.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from local_nemo.lm.lora import LoraSettings


@dataclass(frozen=True)
class Hyperparameters:
    """The Customizer's SFT/LoRA hyperparameters with its documented defaults; None leaves a choice to the trainer."""

    epochs: int = 50
    batch_size: int = 8
    learning_rate: float = 1e-4
    min_learning_rate: float | None = None
    warmup_steps: int | None = None
    max_steps: int = -1
    seed: int = 42
    optimizer: str = "adamw_with_cosine_annealing"
    adam_beta1: float = 0.9
    adam_beta2: float = 0.99
    weight_decay: float = 0.01
    log_every_n_steps: int = 10
    val_check_interval: float | None = None
    max_seq_length: int = 4096
    lora: LoraSettings = field(default_factory=LoraSettings)

    @classmethod
    def from_request(cls, hyperparameters: dict, max_seq_length: int) -> Hyperparameters:
        """From the `hyperparameters` object of a job; keys that are absent or null keep their defaults."""
        known = {key: hyperparameters[key] for key in cls.__dataclass_fields__ if hyperparameters.get(key) is not None}
        lora = {key: value for key, value in (known.pop("lora", None) or {}).items() if value is not None}
        if "target_modules" in lora:
            lora["target_modules"] = tuple(lora["target_modules"])
        return cls(**known, max_seq_length=max_seq_length, lora=LoraSettings(**lora))

    def steps_per_epoch(self, rows: int) -> int:
        return math.ceil(rows / self.batch_size)

    def total_steps(self, rows: int) -> int:
        """Steps of the whole run; `max_steps` above 0 ends it earlier."""
        steps = self.epochs * self.steps_per_epoch(rows)
        return min(steps, self.max_steps) if self.max_steps > 0 else steps

    def validation_interval(self, rows: int) -> int:
        """Steps between validations: up to 1 a share of an epoch, above it a number, at most an epoch."""
        epoch = self.steps_per_epoch(rows)
        wanted = 1.0 if self.val_check_interval is None else self.val_check_interval
        return max(1, min(epoch, round(epoch * wanted) if wanted <= 1 else int(wanted)))
