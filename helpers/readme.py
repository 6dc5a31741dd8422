"""The result section of README.md, written from results/metrics.json and from nothing else.

`make run` prints the table, `make record` also replaces what stands between the two markers of the README and draws
img/results.png. Nobody edits a number there by hand: tests/unit/test_docs.py compares the section with the file.

    python -m helpers.readme        write the section anew from the committed results/metrics.json
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
METRICS = ROOT / "results" / "metrics.json"
PICTURE_SOURCE = ROOT / "img" / "draw_results.py"
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
NOT_RECORDED = "Nothing is recorded yet: `make record` puts the result picture and table here."

SCORES = {  # key in metrics.json: what a reader calls it
    "function_name_accuracy": "right function",
    "function_name_and_args_accuracy": "right function and arguments",
    "function_name_and_accepted_args_accuracy": "the same, any accepted value counts",
}


def update(metrics: Path = METRICS, readme: Path = README) -> None:
    """Replace the README's result section and draw its picture. Raises `ValueError` without both markers."""
    text = readme.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{readme} must hold {BEGIN} and {END} once each")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    subprocess.run([sys.executable, str(PICTURE_SOURCE), str(metrics)], check=True)
    readme.write_text(f"{before}{BEGIN}\n{section(metrics)}\n{END}{after}", encoding="utf-8")


def section(metrics: Path = METRICS) -> str:
    """What belongs between the markers: a sentence before the first record, then picture, table and circumstances."""
    if not metrics.exists():
        return NOT_RECORDED
    facts = json.loads(metrics.read_text(encoding="utf-8"))
    picture = f'<img src="./img/results.png" width="75%" alt="{_alternative_text(facts)}" />'
    return f"{picture}\n\n{result_table(metrics)}"


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
