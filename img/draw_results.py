"""Draws img/results.png, the picture at the top of the README: both models' scores with 95 % intervals.

Reads results/metrics.json (or the file named) and knows nothing else; `make record` runs it.
Run as: python img/draw_results.py [metrics.json] [folder]
"""

import json
import sys
from pathlib import Path

from drawing import INK, MUTED, PAPER, TINTS, save
from matplotlib import pyplot

HERE = Path(__file__).resolve().parent
SCORES = {  # key in metrics.json: label under the bars
    "function_name_accuracy": "right function",
    "function_name_and_args_accuracy": "right function\nand arguments",
    "function_name_and_accepted_args_accuracy": "any accepted\nvalue counts",
}
MODELS = (("base", "base model", "orange", "//"), ("customized", "tuned model", "sky", ""))


def draw(metrics: Path, folder: Path) -> Path:
    """Writes results.png into `folder` and returns its path."""
    evaluation = json.loads(metrics.read_text(encoding="utf-8"))["evaluation"]
    keys = [key for key in SCORES if evaluation["customized"].get(key) is not None]
    figure, axes = pyplot.subplots(figsize=(7.2, 3.5), facecolor=PAPER, layout="constrained")
    for shift, (model, words, tint, hatch) in zip((-0.19, 0.19), MODELS, strict=True):
        edge, _ = TINTS[tint]
        for place, key in enumerate(keys):
            _bar(axes, place + shift, evaluation[model], key, {"color": edge, "edgecolor": PAPER, "hatch": hatch})
        axes.bar([0], [0], color=edge, edgecolor=PAPER, hatch=hatch, label=words)  # the legend's sample
    axes.set_xticks(range(len(keys)), [SCORES[key] for key in keys], color=INK)
    axes.set(ylim=(0, 120), yticks=range(0, 101, 25))
    axes.set_ylabel(f"% of {evaluation['n']} unseen rows", color=MUTED)
    axes.legend(loc="upper right", frameon=False, ncols=2)
    axes.spines[["top", "right"]].set_visible(False)
    return save(axes, folder / "results.png")


def _bar(axes, x: float, scores: dict, key: str, look: dict) -> None:
    """One bar with its interval and its value; nothing when the score was not recorded."""
    if scores.get(key) is None:
        return
    value, (low, high) = 100 * scores[key], (100 * bound for bound in scores["ci95"][key])
    axes.bar(x, value, width=0.34, linewidth=1.4, **look)
    spread = [[max(0.0, value - low)], [max(0.0, high - value)]]
    axes.errorbar(x, value, yerr=spread, color=INK, capsize=4, linewidth=1.3)
    axes.text(x, max(value, high) + 2, f"{value:.0f}", ha="center", color=INK, fontweight="bold")


if __name__ == "__main__":
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "results" / "metrics.json"
    print(draw(source, Path(sys.argv[2]) if len(sys.argv) > 2 else HERE))
