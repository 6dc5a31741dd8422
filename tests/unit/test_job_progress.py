"""From a worker's events to what the Customizer shows."""

import json
from pathlib import Path

from local_nemo.jobs.progress import Progress, read_events

AT = "2026-01-01T00:00:00.000000"
STARTED = {"event": "started", "at": AT, "rows": 32, "validation_rows": 4, "steps_per_epoch": 4, "total_steps": 8}


def step(number: int, loss: float) -> dict:
    return {"event": "step", "at": AT, "step": number, "loss": loss, "tokens": 100 * number, "tokens_per_s": 50.0,
            "seconds": 2.0 * number, "peak_rss_mb": 900.4}  # fmt: skip


def evaluated(number: int, loss: float, best: bool) -> dict:
    return {"event": "evaluated", "at": AT, "step": number, "loss": loss, "accuracy": 0.5, "exact": 0.1, "best": best}


def folded(*events: dict) -> Progress:
    progress = Progress(log_every=2, epochs=2)
    for event in events:
        progress.add(event)
    return progress


def test_nothing_is_shown_before_the_training_started() -> None:
    assert folded().details() == {}


def test_losses_are_means_between_the_recorded_steps() -> None:
    details = folded(STARTED, *(step(number, float(number)) for number in range(5))).details()
    points = details["metrics"]["metrics"]["train_loss"]
    assert [(point["step"], point["value"]) for point in points] == [(1, 0.5), (3, 2.5)]
    assert (details["steps_completed"], details["epochs_completed"], details["percentage_done"]) == (5, 1, 50.0)
    assert (details["tokens"], details["tokens_per_second"], details["peak_rss_mb"]) == (400, 50.0, 900)


def test_the_losses_on_top_are_those_of_the_best_validation() -> None:
    steps = [step(number, 1.0 if number < 4 else 0.5) for number in range(8)]
    details = folded(STARTED, *steps[:4], evaluated(3, 0.7, True), *steps[4:], evaluated(7, 0.9, False)).details()
    assert (details["best_epoch"], details["train_loss"], details["val_loss"]) == (1, 1.0, 0.7)
    assert [point["value"] for point in details["metrics"]["metrics"]["val_loss"]] == [0.7, 0.9]
    assert details["metrics"]["metrics"]["val_exact_match"]
    assert "val_exact_match" not in details["metrics"]["keys"], "the SDK knows four names, and refuses others here"


def test_after_a_resume_every_step_counts_once() -> None:
    before = [step(number, 1.0) for number in range(7)]
    resumed = {"event": "resumed", "at": AT, "step": 4, "message": ""}
    again = [step(number, 1.0) for number in range(4, 8)]
    whole = folded(STARTED, *before, evaluated(5, 0.5, True), resumed, *again, evaluated(7, 0.4, True)).details()
    assert [point["step"] for point in whole["metrics"]["metrics"]["train_loss"]] == [1, 3, 5, 7]
    assert [point["step"] for point in whole["metrics"]["metrics"]["val_loss"]] == [7]
    assert whole["steps_completed"] == 8


def test_a_training_that_begins_anew_without_a_checkpoint_counts_every_step_once() -> None:
    before = [step(number, 1.0) for number in range(3)]
    whole = folded(STARTED, *before, STARTED, *(step(number, 2.0) for number in range(8))).details()
    points = whole["metrics"]["metrics"]["train_loss"]
    assert [(point["step"], point["value"]) for point in points] == [(1, 2.0), (3, 2.0), (5, 2.0), (7, 2.0)]
    assert whole["steps_completed"] == 8


def test_events_are_read_once_and_a_line_cut_by_a_crash_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(json.dumps(STARTED) + '\n{"event": "st')
    events, position = read_events(path)
    assert events == [STARTED]
    with path.open("a") as file:
        file.write("\n" + json.dumps(step(0, 1.0)) + "\n")
    assert read_events(path, position)[0] == [step(0, 1.0)]
    assert read_events(tmp_path / "none") == ([], 0)
