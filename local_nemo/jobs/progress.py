"""From a training's events to the `status_details` that the Customizer shows. Pure: dicts in, dict out.

The worker appends events to `events.jsonl` (`started`, `resumed`, `step`, `evaluated`, `done`, `failed`, `note`);
`Progress.add` folds them. A resumed training repeats the steps after its checkpoint, or all where it had none yet: what
it had reported for them before is dropped, so every step counts once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

Event = dict
DOCUMENTED_METRICS = ("train_loss", "val_loss", "train_accuracy", "val_accuracy")  # the SDK allows no other key


@dataclass
class Progress:
    """What the events so far say about a training."""

    log_every: int = 10
    epochs: int = 1
    steps: int = 0
    facts: dict = field(default_factory=dict)  # steps_per_epoch, total_steps, rows of the `started` event
    train: list[dict] = field(default_factory=list)
    validation: list[dict] = field(default_factory=list)
    last: dict = field(default_factory=dict)  # of the newest step: tokens, speed, memory
    notes: list[dict] = field(default_factory=list)
    result: dict | None = None
    error: dict | None = None
    _window: list[tuple[int, float]] = field(default_factory=list)

    def add(self, event: Event) -> None:
        kind = event["event"]
        if kind == "step":
            self._step(event)
        elif kind == "evaluated":
            self.validation.append(event)
        elif kind == "started":
            self.facts = {key: event[key] for key in ("steps_per_epoch", "total_steps", "rows", "validation_rows")}
            self.notes.append(event)
        elif kind == "done":
            self.result = event
        elif kind == "failed":
            self.error = event
        else:
            self.notes.append(event)

    def details(self) -> dict:
        """The part of `status_details` that a training decides; empty before the first step."""
        if not self.facts:
            return {}
        per_epoch = self.facts["steps_per_epoch"]
        finished = min(self.epochs, self.steps // per_epoch)
        best = next((event for event in reversed(self.validation) if event["best"]), None)
        return {
            "steps_completed": self.steps,
            "steps_per_epoch": per_epoch,
            "total_steps": self.facts["total_steps"],
            "epochs_completed": finished,
            "percentage_done": round(100.0 * finished / self.epochs, 2),
            "training_rows": self.facts["rows"],
            "validation_rows": self.facts["validation_rows"],
            "best_epoch": None if best is None else (best["step"] + per_epoch) // per_epoch,
            "train_loss": self._train_loss_at(best["step"] if best else self.steps),
            "val_loss": best["loss"] if best else None,
            "metrics": self._metrics(),
            "tokens": self.last.get("tokens", 0),
            "tokens_per_second": round(self.last.get("tokens_per_s", 0.0), 1),
            "training_seconds": round(self.last.get("seconds", 0.0), 1),
            "peak_rss_mb": round(self.last.get("peak_rss_mb", 0.0)),
        }

    def _metrics(self) -> dict:
        series = {"train_loss": self.train}
        for key, name in (("loss", "val_loss"), ("accuracy", "val_accuracy"), ("exact", "val_exact_match")):
            series[name] = [_point(event["step"], event[key], event["at"]) for event in self.validation]
        series = {name: points for name, points in series.items() if points}
        return {"keys": [name for name in series if name in DOCUMENTED_METRICS], "metrics": series}

    def _step(self, event: Event) -> None:
        if event["step"] < self.steps:
            self._drop_from(event["step"])
        self.steps, self.last = event["step"] + 1, event
        self._window.append((event["step"], event["loss"]))
        if self.steps % self.log_every == 0 or self.steps == self.facts.get("total_steps"):
            mean = sum(loss for _, loss in self._window) / len(self._window)
            self.train.append(_point(event["step"], mean, event["at"]))
            self._window.clear()

    def _drop_from(self, step: int) -> None:
        self._window = [(number, loss) for number, loss in self._window if number < step]
        for points in (self.train, self.validation):
            points[:] = [point for point in points if point["step"] < step]

    def _train_loss_at(self, step: int) -> float | None:
        values = [point["value"] for point in self.train if point["step"] <= step] or [loss for _, loss in self._window]
        return values[-1] if values else None


def read_events(path: Path, position: int = 0) -> tuple[list[Event], int]:
    """The complete events after a byte position, and the position after them. A line cut off by a crash is skipped."""
    if not path.is_file():
        return [], position
    with path.open("rb") as file:
        file.seek(position)
        text = file.read()
    end = text.rfind(b"\n") + 1
    events = []
    for line in text[:end].splitlines():
        try:
            events.append(json.loads(line))
        except ValueError:
            continue
    return events, position + end


def _point(step: int, value: float, at: str) -> dict:
    return {"step": step, "value": round(value, 4), "timestamp": at}
