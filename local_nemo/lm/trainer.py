"""LoRA training on the CPU, made for short runs: a few hundred rows in minutes on two cores.

What makes it fast: logits only where the answer is predicted; adapters on the upper layers, so that nothing below
needs a backward pass and its output is computed once for all epochs; rows with a common beginning (the same tools)
compute it once a batch; no padding. None of this changes the gradient; that it does not reach the tool list does
(`backbone.SplitModel.logits`). Training is in fp32 where the processor has no bf16 units. Knows nothing of HTTP, stores
or plots: it reports to two callbacks and writes checkpoints and an adapter.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from local_nemo.lm import batches, checkpoint
from local_nemo.lm.backbone import HiddenCache, SplitModel, TreeTensors, tree_tensors
from local_nemo.lm.batches import Tree
from local_nemo.lm.hyperparameters import Hyperparameters
from local_nemo.lm.lora import add_lora, first_trained_layer, save_adapter
from local_nemo.lm.rows import EncodedRow, encode_row
from local_nemo.lm.schedule import Schedule, make_optimizer, warmup_steps
from local_nemo.lm.training_reports import EvalReport, StepReport, TrainingResult

CHECKPOINT_SECONDS = 20.0
CACHE_BYTES = 1 << 30
TREE_TOKENS = 1024  # rows are computed together up to this length: half a gigabyte of activations
MAX_GRADIENT_NORM = 1.0
VALIDATION_ROWS_TOGETHER = 8
PATIENCE_EPOCHS = 10
MIN_GAIN = 0.001


class Interrupted(Exception):
    """The training was asked to stop; its checkpoint is written, and the same call goes on from there."""


@dataclass
class Progress:
    """What must survive a restart besides weights. `step` is the number of finished steps."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    best_loss: float | None = None
    best_step: int | None = None
    stale_since: int = 0


def train(
    model: nn.Module,
    tokenizer,
    rows: list[dict],
    validation_rows: list[dict],
    hyperparameters: Hyperparameters,
    *,
    checkpoint_dir: Path,
    out_dir: Path,
    base_name: str = "",
    on_step: Callable[[StepReport], None] = lambda report: None,
    on_eval: Callable[[EvalReport], None] = lambda report: None,
    on_resume: Callable[[int], None] = lambda step: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> TrainingResult:
    """Train an adapter for `model` on checked rows (`rows.read_rows`) and write it to `out_dir`.

    Goes on from the checkpoint in `checkpoint_dir` if there is one. Raises BadRow for a row that cannot be encoded and
    NoSuchModules for targets that match nothing; FloatingPointError if the loss stops being a number; Interrupted soon
    after `should_stop` says so.
    """
    encode = lambda each: [encode_row(tokenizer, row, hyperparameters.max_seq_length) for row in each]  # noqa: E731
    trainer = _Trainer(model, encode(rows), encode(validation_rows), hyperparameters, base_name)
    trainer.should_stop = should_stop
    if trainer.resume(checkpoint_dir):
        on_resume(trainer.progress.step)
    try:
        return trainer.run(checkpoint_dir, out_dir, on_step, on_eval)
    except Interrupted:
        checkpoint.save(checkpoint_dir, trainer.model, trainer.optimizer, asdict(trainer.progress))
        raise


class _Trainer:
    def __init__(
        self,
        model: nn.Module,
        rows: list[EncodedRow],
        validation: list[EncodedRow],
        asked: Hyperparameters,
        base_name: str,
    ):
        self.rows, self.validation, self.asked, self.base_name = rows, validation, asked, base_name
        self.groups, self.validation_groups = batches.groups(rows), batches.groups(validation)
        self.total = asked.total_steps(len(rows))
        self.per_epoch = asked.steps_per_epoch(len(rows))
        self.model = add_lora(model, asked.lora, asked.seed)
        self.split = SplitModel(self.model.get_base_model(), first_trained_layer(self.model))
        self.parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        floor = asked.learning_rate * 0.1 if asked.min_learning_rate is None else asked.min_learning_rate
        self.schedule = Schedule(
            asked.learning_rate,
            floor,
            warmup_steps(asked.warmup_steps, self.total),
            self.total,
            "cosine" in asked.optimizer,
        )
        self.optimizer = make_optimizer(
            asked.optimizer,
            self.parameters,
            rate=asked.learning_rate,
            betas=(asked.adam_beta1, asked.adam_beta2),
            weight_decay=asked.weight_decay,
        )
        self.caches = {
            id(rows): HiddenCache(CACHE_BYTES // 2 if self.total > self.per_epoch else 0),
            id(validation): HiddenCache(CACHE_BYTES // 2 if self.total > asked.validation_interval(len(rows)) else 0),
        }  # what is computed once only is not kept
        self.progress = Progress()
        self.should_stop: Callable[[], bool] = lambda: False
        torch.manual_seed(asked.seed)

    def resume(self, checkpoint_dir: Path) -> bool:
        kept = checkpoint.load(checkpoint_dir, self.model, self.optimizer)
        if kept:
            self.progress = Progress(**kept)
        return bool(kept)

    def run(self, checkpoint_dir: Path, out_dir: Path, on_step: Callable, on_eval: Callable) -> TrainingResult:
        """All steps that are left. The adapter in `out_dir` is always the best so far."""
        interval = self.asked.validation_interval(len(self.rows))
        state, stopped = self.progress, self._stale()
        clock, saved = time.monotonic(), time.monotonic()
        for epoch, batch in self._batches():
            loss, rate = self._step(batch)
            now = time.monotonic()
            state.seconds, clock = state.seconds + now - clock, now
            on_step(
                StepReport(
                    state.step - 1,
                    epoch,
                    loss,
                    rate,
                    state.tokens,
                    state.seconds,
                    state.tokens / state.seconds,
                    peak_rss_mb(),
                )
            )
            last = state.step == self.total
            evaluated = (
                (state.step - epoch * self.per_epoch) % interval == 0 or state.step % self.per_epoch == 0 or last
            )
            if evaluated:
                self._evaluate(epoch, out_dir, on_eval)
                clock = time.monotonic()  # tokens/s is that of training
                stopped = self._stale()
            if evaluated or now - saved >= CHECKPOINT_SECONDS:
                checkpoint.save(checkpoint_dir, self.model, self.optimizer, asdict(state))
                saved = time.monotonic()
            if stopped:
                break
        best = state.best_step
        return TrainingResult(
            steps=state.step,
            epochs=state.step // self.per_epoch,
            best_epoch=None if best is None else -(-best // self.per_epoch),
            best_loss=state.best_loss,
            stopped_early=stopped,
        )

    def _batches(self):
        """(epoch, batch) from the first step that is not done yet."""
        start = self.progress.step
        for epoch in range(start // self.per_epoch, self.asked.epochs):
            order = batches.epoch(self.groups, self.asked.batch_size, seed=self.asked.seed * 1_000_003 + epoch)
            for number, batch in enumerate(order, epoch * self.per_epoch):
                if number >= self.total:
                    return
                if number >= start:
                    yield epoch, batch

    def _step(self, batch: list[Tree]) -> tuple[float, float]:
        """One optimizer step on a batch, tree by tree. Returns (loss, learning rate)."""
        self.model.train()
        answer_tokens = sum(self.rows[index].answer_tokens for tree in batch for index in tree.rows)
        total = 0.0
        for part in (part for tree in batch for part in batches.bounded(tree, self.rows, TREE_TOKENS)):
            logits, tensors = self._logits(part, self.rows)
            loss = nn.functional.cross_entropy(logits, tensors.targets, reduction="sum") / answer_tokens
            loss.backward()
            total += loss.item()
        if total != total:
            raise FloatingPointError(
                f"The loss is not a number after {self.progress.step} steps: a lower learning_rate than "
                f"{self.asked.learning_rate} or more warmup_steps may help"
            )
        rate = self.schedule(self.progress.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        nn.utils.clip_grad_norm_(self.parameters, MAX_GRADIENT_NORM)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.progress.step += 1
        self.progress.tokens += sum(len(self.rows[index].ids) for tree in batch for index in tree.rows)
        return total, rate

    def _logits(self, tree: Tree, rows: list[EncodedRow]) -> tuple[torch.Tensor, TreeTensors]:
        if self.should_stop():
            raise Interrupted
        tensors, cache = tree_tensors(tree, rows), self.caches[id(rows)]
        hidden = cache.get(tree)
        if hidden is None:
            hidden = self.split.lower(tensors)
            cache.put(tree, rows, hidden)
        return self.split.logits(tensors, hidden), tensors

    def _evaluate(self, epoch: int, out_dir: Path, on_eval: Callable) -> None:
        """Validate, report, and keep the adapter if it is the best so far (without validation rows: always)."""
        state = self.progress
        if not self.validation:
            state.stale_since = state.step
            save_adapter(self.model, out_dir, self.base_name)
            return
        loss, accuracy, exact = self._validate()
        best = state.best_loss is None or loss < state.best_loss
        if state.best_loss is None or loss < state.best_loss - MIN_GAIN:
            state.stale_since = state.step
        if best:
            state.best_loss, state.best_step = loss, state.step
            save_adapter(self.model, out_dir, self.base_name)
        on_eval(EvalReport(state.step - 1, epoch, loss, accuracy, exact, best))

    @torch.inference_mode()
    def _validate(self) -> tuple[float, float, float]:
        """Mean loss per answer token, token accuracy, share of rows that are right throughout."""
        self.model.eval()
        loss = right = count = exact = 0.0
        for tree in batches.chunks(self.validation_groups, VALIDATION_ROWS_TOGETHER):
            logits, tensors = self._logits(tree, self.validation)
            hits = logits.argmax(-1) == tensors.targets
            loss += nn.functional.cross_entropy(logits, tensors.targets, reduction="sum").item()
            right += hits.sum().item()
            count += len(hits)
            exact += sum(bool(hits[tensors.owners == owner].all()) for owner in range(len(tree.rows)))
        return loss / count, right / count, exact / len(self.validation)

    def _stale(self) -> bool:
        """Whether validation has brought no gain for so long that more training won't."""
        return self.progress.step - self.progress.stale_since >= PATIENCE_EPOCHS * self.per_epoch


def peak_rss_mb() -> float:
    """The most memory this process has had resident."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / 1024
