"""The numbers in README.md and the docs, written from what is recorded in results/ and from config.py alone.

`make run` prints the table; `make record` also replaces what stands between the markers of README.md and of
docs/laptop-to-cluster.md, and draws img/results.png. Nobody edits a number there by hand: tests/unit/test_docs.py
compares the sections with their sources.

    python -m helpers.readme        write the sections anew, as after a change of a profile in config.py
"""

import json
import subprocess
import sys
from pathlib import Path

import config

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
CLUSTER_GUIDE = ROOT / "docs" / "laptop-to-cluster.md"
METRICS = ROOT / "results" / "metrics.json"
PICTURE_SOURCE = ROOT / "img" / "draw_results.py"
NOT_RECORDED = {
    "results": "Nothing is recorded yet: `make record` puts the result picture and table here.",
    "cost": "Nothing is recorded yet: `make record` puts the estimates here.",
    "longer": "Nothing is recorded yet: `make record PROFILE=long` puts a line here.",
}

SCORES = {  # key in metrics.json: what a reader calls it
    "function_name_accuracy": "right function",
    "function_name_and_args_accuracy": "right function and arguments",
    "function_name_and_accepted_args_accuracy": "the same, any accepted value counts",
}

LARGER_MODEL = 1236 / 134.5  # millions of parameters: Llama-3.2-1B over SmolLM2-135M
LARGER = (  # trainings to estimate: words, passes over rows
    ("5,000 xLAM rows as on the cluster: 3,500 for training, 2 passes", 7_000),
    ("all single-call rows of xLAM: about 30,000, 70 % for training, 2 passes", 42_000),
)


def update(metrics: Path = METRICS) -> None:
    """Write every section, and draw the picture of what is recorded. Raises `ValueError` where a marker is missing."""
    if metrics.exists():
        subprocess.run([sys.executable, str(PICTURE_SOURCE), str(metrics)], check=True)
    for (page, name), text in sections(metrics).items():
        replace_section(page, name, text)


def sections(metrics: Path = METRICS) -> dict[tuple[Path, str], str]:
    """What belongs between the markers of each page."""
    return {
        (README, "results"): results_section(metrics),
        (CLUSTER_GUIDE, "longer"): longer_section(metrics.parent),
        (CLUSTER_GUIDE, "cost"): cost_section(metrics),
        (CLUSTER_GUIDE, "profiles"): profiles_section(),
    }


def section_of(page: Path, name: str) -> str:
    """What stands between `<!-- name:begin -->` and `<!-- name:end -->`. Raises `ValueError` without both markers."""
    return _split(page, name)[1].strip("\n")


def replace_section(page: Path, name: str, text: str) -> None:
    """Put `text` between the markers of `name`; everything else on the page stays as it is."""
    before, _, after = _split(page, name)
    page.write_text(f"{before}\n{text}\n{after}", encoding="utf-8")


def _split(page: Path, name: str) -> tuple[str, str, str]:
    """The page up to and with the first marker, what is between them, and the rest from the second marker on."""
    text, begin, end = page.read_text(encoding="utf-8"), f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"{page.name} must hold {begin} and then {end}, once each")
    before, rest = text.split(begin)
    between, after = rest.split(end)
    return before + begin, between, end + after


def results_section(metrics: Path = METRICS) -> str:
    """The first screen's results: a sentence before the first record, then picture, table and circumstances."""
    if not metrics.exists():
        return NOT_RECORDED["results"]
    facts = json.loads(metrics.read_text(encoding="utf-8"))
    picture = f'<img src="./img/results.png" width="75%" alt="{_alternative_text(facts)}" />'
    return f"{picture}\n\n{result_table(metrics)}"


def longer_section(folder: Path = METRICS.parent) -> str:
    """One line per recorded profile: how long was trained, and what it scores."""
    files = [path for path in (folder / METRICS.name, *sorted(folder.glob("metrics-*.json"))) if path.exists()]
    if not files:
        return NOT_RECORDED["longer"]
    lines = [f"| profile | training | unseen rows | {' | '.join(SCORES.values())} |", "|---" * 6 + "|"]
    for facts in (json.loads(path.read_text(encoding="utf-8")) for path in files):
        training, scores = facts["training"], facts["evaluation"]
        took = f"{training['steps']} steps, {training['wall_s'] / 60:.0f} min"
        rates = " | ".join(_rate(scores["customized"], key) for key in SCORES)
        lines.append(f"| `{facts['profile']}` | {took} | {scores['n']} | {rates} |")
    return "\n".join(lines)


def cost_section(metrics: Path = METRICS) -> str:
    """What larger trainings would take on the recorded machine, in proportion to the recorded one."""
    if not metrics.exists():
        return NOT_RECORDED["cost"]
    facts = json.loads(metrics.read_text(encoding="utf-8"))
    steps, batch_size = facts["training"]["steps"], config.PROFILES[facts["profile"]]["BATCH_SIZE"]
    row_s = facts["training"]["wall_s"] / (steps * batch_size)
    lines = ["| training | SmolLM2-135M | Llama-3.2-1B |", "|---|---|---|"]
    for words, passes in ((f"recorded: {steps} steps of {batch_size} rows", steps * batch_size), *LARGER):
        small = passes * row_s
        lines.append(f"| {words} | {_duration(small)} | {_duration(small * LARGER_MODEL)} |")
    machine = facts["machine"]
    return "\n".join([*lines, "", f"In proportion to the recorded run on {machine['cores']} cores ({machine['cpu']})."])


def profiles_section() -> str:
    """The profiles of config.py side by side."""
    names = list(config.PROFILES)
    lines = [f"| per profile | {' | '.join(f'`{name}`' for name in names)} |", "|---" * (len(names) + 1) + "|"]
    for setting in config.PROFILES[names[0]]:
        first, *others = [str(config.PROFILES[name][setting]) for name in names]
        shown = [first, *("the same" if value == first and len(value) > 9 else value for value in others)]
        lines.append(f"| `{setting}` | {' | '.join(shown)} |")
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    """Seconds as a reader says them: minutes, hours or days."""
    for unit, size in (("days", 86400), ("hours", 3600)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 60:.0f} minutes"


def result_table(metrics: Path) -> str:
    """The scores as a Markdown table with 95 % intervals, then guardrails and circumstances as list items."""
    facts = json.loads(metrics.read_text(encoding="utf-8"))
    scores = facts["evaluation"]
    lines = [f"| {scores['n']} unseen rows | base model | tuned model |", "|---|---|---|"]
    for key, words in SCORES.items():
        if scores["customized"].get(key) is not None:
            lines.append(f"| {words} | {_rate(scores['base'], key)} | {_rate(scores['customized'], key)} |")
    return "\n".join([*lines, "", *_circumstances(facts)])


def _circumstances(facts: dict) -> list[str]:
    """Guardrails, training, wall time and machine, one list item each, as far as they were recorded."""
    items = []
    if guard := facts.get("guardrails"):
        items.append(
            f"- Guardrails: {guard['unsafe_blocked']} of {guard['unsafe_total']} unsafe requests blocked, "
            f"{guard['safe_blocked']} of {guard['safe_total']} safe ones blocked by mistake, "
            f"{guard['unreadable']} unreadable."
        )
    if training := facts.get("training"):
        items.append(
            f"- Training: {facts['dataset']['train']} rows, {training['steps']} steps in "
            f"{training['wall_s'] / 60:.1f} min ({training['tokens_per_s']:.0f} tokens/s), "
            f"{training['peak_rss_mb'] / 1024:.1f} GB."
        )
    machine = facts["machine"]
    items.append(
        f"- Everything, all four notebooks: {facts['wall_s']['total'] / 60:.0f} min on {machine['cores']} CPU cores "
        f"({machine['cpu']}). Profile `{facts['profile']}`, dataset `{facts['dataset']['name']}`, "
        f"seed {facts['seed']}, commit {facts['commit']}."
    )
    return items


def _rate(scores: dict, key: str) -> str:
    """A share as `93 % (89–96)`: percent, and the bounds of its 95 % interval."""
    if scores.get(key) is None:
        return "–"
    low, high = scores["ci95"][key]
    return f"{100 * scores[key]:.0f} % ({100 * low:.0f}–{100 * high:.0f})"


def _alternative_text(facts: dict) -> str:
    scores = facts["evaluation"]
    pairs = [
        f"{words}: base {100 * scores['base'][key]:.0f} %, tuned {100 * scores['customized'][key]:.0f} %"
        for key, words in SCORES.items()
        if scores["base"].get(key) is not None and scores["customized"].get(key) is not None
    ]
    return "Bars of both models' scores with 95 % intervals. " + "; ".join(pairs)


if __name__ == "__main__":
    update()
