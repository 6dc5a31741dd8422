"""Training a tiny model: it learns, does what it is asked, goes on after an interruption."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from local_nemo.lm import trainer
from local_nemo.lm.hyperparameters import Hyperparameters
from local_nemo.lm.lora import LoraSettings
from local_nemo.lm.rows import BadRow
from local_nemo.lm.schedule import Schedule, make_optimizer, warmup_steps
from local_nemo.lm.training_reports import EvalReport, StepReport
from tests import tiny_model

ROWS = [{"prompt": f"a common beginning, question {n} ", "completion": "yes" if n % 2 else "no"} for n in range(20)]
ASKED = Hyperparameters(
    epochs=2, batch_size=4, learning_rate=1e-2, seed=3, lora=LoraSettings(adapter_dim=4, alpha=8), max_seq_length=128
)


def run(folder: Path, asked: Hyperparameters = ASKED, rows: list[dict] = ROWS, **options: object):
    """(result, step reports, eval reports, adapter weights)."""
    steps: list[StepReport] = []
    evals: list[EvalReport] = []
    result = trainer.train(
        tiny_model.model(), tiny_model.Tokenizer(), rows, ROWS[:6], asked,
        checkpoint_dir=folder / "checkpoint", out_dir=folder / "adapter",
        on_step=steps.append, on_eval=evals.append, **options,
    )  # fmt: skip
    return result, steps, evals, load_file(folder / "adapter" / "adapter_model.safetensors")


def test_training_lowers_the_loss_and_reports_every_step(tmp_path: Path) -> None:
    result, steps, evals, _ = run(tmp_path)
    assert [report.step for report in steps] == list(range(10))
    assert steps[-1].loss < 0.97 * steps[0].loss
    assert [report.step for report in evals] == [4, 9]
    assert evals[-1].loss < evals[0].loss and evals[-1].best
    assert (result.steps, result.epochs, result.best_epoch) == (10, 2, 2)
    assert steps[-1].tokens > 0 and steps[-1].peak_rss_mb > 0
    assert math.isclose(result.best_loss, evals[-1].loss)


def test_the_seed_alone_decides_the_weights(tmp_path: Path) -> None:
    same = [run(tmp_path / name)[3] for name in "ab"]
    other = run(tmp_path / "c", replace(ASKED, seed=4))[3]
    assert all(torch.equal(same[0][name], same[1][name]) for name in same[0])
    assert any(not torch.equal(same[0][name], other[name]) for name in other)


@pytest.mark.parametrize("stop_after", [3, 5, 9])
def test_an_interrupted_training_goes_on_and_ends_like_an_undisturbed_one(tmp_path: Path, stop_after: int) -> None:
    asked = replace(ASKED, lora=replace(ASKED.lora, adapter_dropout=0.2))
    whole = run(tmp_path / "whole", asked)
    seen: list[int] = []
    with pytest.raises(trainer.Interrupted):
        trainer.train(
            tiny_model.model(), tiny_model.Tokenizer(), ROWS, ROWS[:6], asked,
            checkpoint_dir=tmp_path / "cut" / "checkpoint", out_dir=tmp_path / "cut" / "adapter",
            on_step=lambda report: seen.append(report.step), should_stop=lambda: len(seen) >= stop_after,
        )  # fmt: skip
    resumed: list[int] = []
    rest = run(tmp_path / "cut", asked, on_resume=resumed.append)
    assert resumed == [stop_after]
    assert [report.step for report in rest[1]] == list(range(stop_after, 10))
    assert rest[1][-1].tokens == whole[1][-1].tokens
    for name, value in rest[3].items():
        torch.testing.assert_close(value, whole[3][name], rtol=1e-3, atol=1e-4)


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    first = run(tmp_path)
    again = run(tmp_path)
    assert again[1] == [] and again[0] == first[0]


def test_a_damaged_checkpoint_means_starting_again(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir(parents=True)
    (tmp_path / "checkpoint" / "checkpoint.safetensors").write_bytes(b"\0" * 100)
    assert len(run(tmp_path)[1]) == 10


def test_max_steps_ends_a_training_and_still_validates(tmp_path: Path) -> None:
    result, steps, evals, _ = run(tmp_path, replace(ASKED, max_steps=3))
    assert (len(steps), result.steps) == (3, 3) and [report.step for report in evals] == [2]


def test_without_validation_rows_the_last_adapter_is_kept(tmp_path: Path) -> None:
    result = trainer.train(
        tiny_model.model(), tiny_model.Tokenizer(), ROWS, [], ASKED,
        checkpoint_dir=tmp_path / "checkpoint", out_dir=tmp_path / "adapter",
    )  # fmt: skip
    assert result.best_loss is None and not result.stopped_early
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()


def test_validation_without_gain_for_ten_epochs_ends_a_training(tmp_path: Path) -> None:
    asked = replace(ASKED, epochs=30, learning_rate=1e-9, batch_size=20)
    result, steps, *_ = run(tmp_path, asked)
    assert result.stopped_early and len(steps) == 11


def test_a_loss_that_is_no_number_fails_with_what_to_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer.nn.functional, "cross_entropy", lambda logits, *_, **__: logits.sum() * float("nan"))
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        run(tmp_path)


def test_a_row_that_cannot_be_encoded_fails_before_the_first_step(tmp_path: Path) -> None:
    with pytest.raises(BadRow, match="max_seq_length 2"):
        run(tmp_path, replace(ASKED, max_seq_length=2))


@pytest.mark.parametrize(
    ("interval", "expected"), [(None, 10), (1.0, 10), (0.5, 5), (0.1, 1), (3, 3), (10, 10), (500, 10)]
)
def test_the_validation_interval_is_a_share_of_an_epoch_or_a_number_of_steps(interval: float, expected: int) -> None:
    assert replace(ASKED, val_check_interval=interval).validation_interval(40) == expected


def test_the_rate_warms_up_and_anneals_to_its_floor() -> None:
    rate = Schedule(peak=1.0, floor=0.1, warmup=4, total=20, cosine=True)
    rates = [rate(step) for step in range(20)]
    assert rates[:4] == sorted(rates[:4]) and rates[4] == 1.0
    assert rates[4:] == sorted(rates[4:], reverse=True) and 0.1 <= rates[-1] < 0.12
    assert Schedule(1.0, 0.1, 0, 20, cosine=False)(19) == 1.0


def test_the_default_warmup_is_two_hundred_steps_but_a_tenth_of_a_short_run() -> None:
    assert (warmup_steps(None, 10_000), warmup_steps(None, 100), warmup_steps(50, 100)) == (200, 10, 50)


@pytest.mark.parametrize(
    ("word", "kind"), [("adamw_with_flat_lr", torch.optim.AdamW), ("adam_with_cosine_annealing", torch.optim.Adam)]
)
def test_the_optimizer_is_the_one_asked_for(word: str, kind: type) -> None:
    optimizer = make_optimizer(word, [torch.nn.Parameter(torch.zeros(2))], rate=0.1, betas=(0.8, 0.9), weight_decay=0.3)
    assert type(optimizer) is kind
    assert (optimizer.defaults["betas"], optimizer.defaults["weight_decay"]) == ((0.8, 0.9), 0.3)
