"""Labelled prompts, and what a guard does with them: how much it stops, and how much it stops by mistake.

`prompts/guard_prompts.jsonl` holds one-line requests written for this project, unsafe ones and safe ones that look
dangerous at first sight, in three parts: `training` made the demo safety model, `threshold` set its threshold, and only
`test` is measured. A check has three outcomes, so there are three columns; an unreadable one never counts as blocked.
"""

import json
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pandas

from . import errors, guardrails
from .platform import Platform
from .plots import BLUE, INK, Picture
from .progress import Line
from .statistics import rate, wilson
from .text_table import TextTable

FILE = Path(__file__).with_name("prompts") / "guard_prompts.jsonl"
PARTS = ("training", "threshold", "test")
RED = "#D55E00"


@dataclass(frozen=True)
class LabelledPrompt:
    """`label` is safe or unsafe, `part` one of PARTS."""

    id: str
    label: str
    category: str
    part: str
    text: str


@dataclass(frozen=True)
class Checked:
    """What the guard said of one prompt: allowed, blocked or unreadable, after how many seconds."""

    prompt: LabelledPrompt
    outcome: str
    seconds: float


def load(part: str | None = None, *, file: Path = FILE) -> list[LabelledPrompt]:
    """The prompts of one part, or all. Raises `DatasetError` naming the line that can't be read."""
    prompts = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            prompts.append(LabelledPrompt(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise errors.DatasetError(
                f"Line {number} of {file} is not a labelled prompt: {error}.",
                next_step="each line is a JSON object with id, label, category, part and text.",
            ) from error
    return [prompt for prompt in prompts if part in (None, prompt.part)]


def check_all(
    platform: Platform, prompts: Sequence[LabelledPrompt], *, model: str, config_id: str, at_once: int = 1
) -> list[Checked]:
    """Ask the guard about every prompt; `at_once` = 1 so that the time of one check is what a single user would wait.

    A service that can't answer makes a prompt unreadable, not the whole measurement void.
    """

    def check(prompt: LabelledPrompt) -> Checked:
        messages = [{"role": "user", "content": prompt.text}]
        began = time.perf_counter()
        try:
            reply = guardrails.check(platform, model=model, messages=messages, config_id=config_id)
            outcome = guardrails.outcome(reply)
        except (errors.ServiceFailed, errors.UnexpectedReply):
            outcome = "unreadable"
        return Checked(prompt, outcome, time.perf_counter() - began)

    found: list[Checked] = []
    with Line() as line, ThreadPoolExecutor(at_once) as workers:
        for one in workers.map(check, prompts):
            found.append(one)
            line.show(f"checked {len(found)} of {len(prompts)} prompts")
    return found


def counts(checked: Iterable[Checked]) -> dict[str, int]:
    """The figures of metrics.json."""
    rows = list(checked)
    unsafe = [one for one in rows if one.prompt.label == "unsafe"]
    safe = [one for one in rows if one.prompt.label == "safe"]
    return {
        "unsafe_total": len(unsafe),
        "unsafe_blocked": sum(one.outcome == "blocked" for one in unsafe),
        "safe_total": len(safe),
        "safe_blocked": sum(one.outcome == "blocked" for one in safe),
        "unreadable": sum(one.outcome == "unreadable" for one in rows),
    }


def table(checked: Sequence[Checked]) -> pandas.DataFrame:
    """Prompts x guardrails off and on. Off, nothing stands in front of the model, so nothing is stopped or delayed."""
    rows = []
    for label in ("unsafe", "safe"):
        these = [one for one in checked if one.prompt.label == label]
        wait = f"{1000 * median(one.seconds for one in these):.0f} ms" if these else "–"
        stopped = rate(sum(one.outcome == "blocked" for one in these), len(these))
        unreadable = sum(one.outcome == "unreadable" for one in these)
        off = {"blocked": repr(rate(0, len(these))), "unreadable": 0, "added latency (median)": "0 ms"}
        on = {"blocked": repr(stopped), "unreadable": unreadable, "added latency (median)": wait}
        rows += [{"prompts": label, "guardrails": "off", **off}, {"prompts": label, "guardrails": "on", **on}]
    return pandas.DataFrame(rows).set_index(["prompts", "guardrails"])


def wrong(checked: Sequence[Checked], *, each: int = 5) -> TextTable:
    """Some prompts that the guard got wrong, of both kinds: what to read before believing a rate."""
    right = {"unsafe": "blocked", "safe": "allowed"}
    rows = []
    for label in ("unsafe", "safe"):
        these = [one for one in checked if one.prompt.label == label and one.outcome != right[label]]
        rows += [{"label": label, "outcome": one.outcome, "prompt": one.prompt.text} for one in these[:each]]
    return TextTable(rows, columns=["label", "outcome", "prompt"])


def plot(checked: Sequence[Checked]) -> Picture:
    """The share blocked in every category, with 95 % intervals: right for unsafe prompts, a mistake for safe ones."""
    groups = sorted(
        {(one.prompt.label, one.prompt.category) for one in checked}, key=lambda group: (group[0] == "safe", group)
    )
    figure = Picture(figsize=(7, 0.9 + 0.27 * len(groups)), layout="constrained")
    axes = figure.subplots()
    for place, (label, category) in enumerate(groups):
        these = [one.outcome for one in checked if (one.prompt.label, one.prompt.category) == (label, category)]
        blocked = these.count("blocked")
        low, high = (100 * bound for bound in wilson(blocked, len(these)))
        value, color = 100 * blocked / len(these), BLUE if label == "unsafe" else RED
        axes.plot([low, high], [place, place], color=color, linewidth=2, alpha=0.5)
        axes.plot(value, place, "o" if label == "unsafe" else "X", color=color)
    axes.set_yticks(range(len(groups)), [f"{category.replace('_', ' ')} ({label})" for label, category in groups])
    axes.invert_yaxis()
    axes.set(
        xlim=(-2, 102), xlabel="% blocked, with 95 % interval\nunsafe prompts (●) should be at 100, safe ones (✖) at 0"
    )
    axes.grid(axis="x", alpha=0.3)
    axes.tick_params(colors=INK)
    axes.xaxis.label.set_color(INK)
    axes.spines[:].set_color(INK)
    return figure
