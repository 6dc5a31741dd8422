"""Every evaluation is kept: one line in `<RESULTS_DIR>/history.jsonl`, and a table that shows what a setting did.

A line holds the two evaluation jobs, the model with its training's settings and time, the data, and both scores.
The same pair of jobs is kept once, however often a notebook is run.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import config

from .scores import WORDS
from .text_table import TextTable

FILE = "history.jsonl"
SETTINGS = ("epochs", "max_steps", "batch_size", "learning_rate", "seed")


def entry(
    *, jobs: dict[str, str], summary: dict, model: str, data: str, data_commit: str = "", training: dict | None = None
) -> dict[str, Any]:
    """One line. `jobs` are {"base": id, "customized": id}, `training` the customization job where there was one."""
    details = (training or {}).get("status_details") or {}
    parameters = (training or {}).get("hyperparameters") or {}
    settings = {name: parameters.get(name) for name in SETTINGS} | {
        f"lora_{name}": value for name, value in (parameters.get("lora") or {}).items()
    }
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "profile": config.PROFILE,
        "model": model,
        "base_model": config.BASE_MODEL,
        "data": data,
        "data_commit": data_commit,
        "jobs": jobs,
        "training": {name: value for name, value in settings.items() if value is not None},
        "training_s": details.get("elapsed_time"),
        "val_loss": details.get("val_loss"),
        "evaluation": summary,
    }


def keep(line: dict[str, Any], *, folder: str | Path | None = None) -> bool:
    """Add a line unless its jobs are there already; True if it was added."""
    if any(old["jobs"] == line["jobs"] for old in lines(folder=folder)):
        return False
    path = _path(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return True


def lines(*, folder: str | Path | None = None) -> list[dict[str, Any]]:
    """What was kept, oldest first; a line that was cut off by a crash is left out."""
    try:
        text = _path(folder).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    whole, _, _ = text.rpartition("\n")
    return [json.loads(line) for line in whole.splitlines() if line.strip()]


def table(*, folder: str | Path | None = None, everything: bool = False) -> TextTable:
    """One line an evaluation: settings, time, scores in percent. Settings that never changed are left out."""
    kept = lines(folder=folder)
    frame = TextTable([_row(line) for line in kept])
    if frame.empty or everything or len(frame) == 1:
        return frame
    fixed = [name for name in frame if frame[name].map(repr).nunique() == 1 and name not in ("at", "rows")]
    return frame.drop(columns=[name for name in fixed if not name.startswith(("tuned", "base:"))])


def _row(line: dict[str, Any]) -> dict[str, Any]:
    scores = line["evaluation"]
    shown = {"at": line["at"][:16].replace("T", " "), "model": line["model"].split("/")[-1]}
    shown |= {name: line.get(name) for name in ("profile", "base_model", "data")}
    shown |= {"data_commit": (line.get("data_commit") or "")[:8], **line.get("training", {})}
    shown |= {"training s": line.get("training_s"), "val_loss": line.get("val_loss"), "rows": scores["n"]}
    for side, words in (("base", "base"), ("customized", "tuned")):
        for name in WORDS:
            if scores[side].get(name) is not None:
                low, high = scores[side]["ci95"][name]
                value = f"{100 * scores[side][name]:.0f} ({100 * low:.0f}–{100 * high:.0f})"
                shown[f"{words}: {WORDS[name]}, %"] = value
    return shown


def _path(folder: str | Path | None) -> Path:
    return Path(folder if folder is not None else config.RESULTS_DIR) / FILE
