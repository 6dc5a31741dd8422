"""What a training says of itself: after each step, after each validation, at its end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StepReport:
    """One optimizer step, `step` counted from 0. `loss` is the mean over the batch's answer tokens, before the step."""

    step: int
    epoch: int
    loss: float
    learning_rate: float
    tokens: int  # of the rows so far, as if each had been computed alone
    seconds: float  # spent training so far, over restarts
    tokens_per_s: float
    peak_rss_mb: float


@dataclass(frozen=True)
class EvalReport:
    """A validation after `step` (from 0). Accuracy: share of answer tokens the model would choose itself; exact: share
    of rows where that holds for every token, which is what greedy decoding would get exactly right.
    """

    step: int
    epoch: int
    loss: float
    accuracy: float
    exact: float
    best: bool


@dataclass(frozen=True)
class TrainingResult:
    """How a training ended; the adapter of the best validation is in the output folder."""

    steps: int
    epochs: int
    best_epoch: int | None
    best_loss: float | None
    stopped_early: bool
