"""The table and the plot of `results/bench.json`: what was measured, beside what was to be reached.

docs/laptop-to-cluster.md shows both; `section` is what stands between its markers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from helpers.plots import BLUE, INK, ORANGE

PLOTTED = {"training", "generation", "growth"}  # parts
PLOTS = "Validation loss over seconds, rows per second of three servers, rows per second by number of clients"


@dataclass(frozen=True)
class Line:
    """One target: `found(measured)` says what was measured and whether that reaches it."""

    part: str
    what: str
    reach: str
    found: Callable[[dict], tuple[str, bool]]


def _time_to_loss(m: dict) -> tuple[str, bool]:
    ours, peer = m["ours"]["seconds_to_the_peers_loss"], m["peer"]["seconds"]
    if ours is None:
        return f"not reached: {m['ours']['val_loss']:.3f} against {m['peer']['val_loss']:.3f}", False
    return f"{ours:.0f} s against {peer:.0f} s: 1/{peer / ours:.1f}", ours <= peer / 5


def _training_rate(m: dict) -> tuple[str, bool]:
    ratio = m["ours"]["rows_per_s"] / m["peer"]["rows_per_s"]
    lower = m["ours"]["val_loss"] <= m["peer"]["val_loss"]
    losses = f"loss {m['ours']['val_loss']:.3f} against {m['peer']['val_loss']:.3f}"
    return f"{ratio:.1f} ×, {losses}", ratio >= 4 and lower


def _training_memory(m: dict) -> tuple[str, bool]:
    ours, peer = m["ours"]["peak_rss_mb"], m["peer"]["peak_rss_mb"]
    return f"{ours / 1024:.1f} GiB against {peer / 1024:.1f}", ours <= peer / 2 and ours <= 4096


def _times(ours: float, peer: float, least: float) -> tuple[str, bool]:
    return f"{ours / peer:.1f} × ({ours} against {peer} rows/s)", ours / peer >= least


def _equal(m: dict) -> tuple[str, bool]:
    equal = m["ours"]["equal_to_transformers"]
    return f"{equal} of {m['burst']} (llama.cpp: {m['llama_cpp']['equal_to_transformers']})", equal >= 0.95 * m["burst"]


def _alone(m: dict) -> tuple[str, bool]:
    ours, peer = m["alone"]["ours_ms"], m["alone"]["llama_cpp_ms"]
    return f"{ours:.0f} ms against {peer:.0f} ms", ours <= 1000 and ours < peer


def _evaluation(m: dict) -> tuple[str, bool]:
    ratio = m["rows_per_s"] / m["one_by_one"]["rows_per_s"]
    return f"{m['seconds']:.0f} s, {ratio:.1f} × one at a time", m["seconds"] <= 120 and ratio >= 4


def _served(m: dict) -> tuple[str, bool]:
    return f"{max(m['served_after_s']):.1f} s at most", max(m["served_after_s"]) <= 5


def _adapter_memory(m: dict) -> tuple[str, bool]:
    ratio = m["memory_mb"]["all"] / m["memory_mb"]["one"]
    return f"{ratio:.2f} ×", ratio <= 1.5


def _adapter_burst(m: dict) -> tuple[str, bool]:
    one, several = m["burst_s"].values()
    return f"{several / one:.2f} × ({several:.1f} s against {one:.1f} s)", several <= 1.5 * one


def _conversion(m: dict) -> tuple[str, bool]:
    small, large = m["sizes"][0], m["sizes"][-1]
    growth = (large["seconds"] / small["seconds"]) / (large["rows"] / small["rows"])
    text = f"{large['seconds']:.0f} s, {large['peak_rss_mb']} MiB; {growth:.2f} × the time a row of {small['rows']:,}"
    return text, large["seconds"] <= 60 and large["peak_rss_mb"] <= 1024 and growth <= 1.25


def _overhead(m: dict) -> tuple[str, bool]:
    idle, busy = max(m["idle_ms"].values()), max(m["while_training_ms"].values())
    return f"{idle:.1f} ms, {busy:.1f} ms", idle <= 5 and busy <= 30


def _pages(m: dict) -> tuple[str, bool]:
    slowest = max(m["page_ms"].values())
    return f"{slowest:.0f} ms", slowest <= 20


def _linear(m: dict) -> tuple[str, bool]:
    per_token = [one["seconds"] / one["tokens"] for one in m["training"]]
    spread = max(per_token) / min(per_token)
    return f"time a token differs by {spread:.2f} × over {len(per_token)} sizes", spread <= 1.25


LINES = (
    Line("training", "training: time to the loss of trl's 40 steps", "≤ 1/5", _time_to_loss),
    Line("training", "training: rows/s, at equal or lower loss", "≥ 4 ×", _training_rate),
    Line("training", "training: peak memory", "≤ 1/2 and ≤ 4 GiB", _training_memory),
    Line("generation", "32 requests at once, beside transformers one by one", "≥ 10 ×",
         lambda m: _times(m["ours"]["rows_per_s"], m["transformers"]["rows_per_s"], 10)),
    Line("generation", "the same beside llama.cpp's server", "≥ 3 ×",
         lambda m: _times(m["ours"]["rows_per_s"], m["llama_cpp"]["rows_per_s"], 3)),
    Line("generation", "answers equal to the trainer's", "≥ 95 %", _equal),
    Line("generation", "one call alone, 260 tokens, beside llama.cpp", "≤ 1,000 ms, faster", _alone),
    Line("evaluation", "evaluation of 250 rows", "≤ 120 s, ≥ 4 ×", _evaluation),
    Line("adapters", "a new adapter is served after", "≤ 5 s", _served),
    Line("adapters", "memory with 8 adapters, beside one", "≤ 1.5 ×", _adapter_memory),
    Line("adapters", "a burst over 4 adapters, beside one", "≤ 1.5 ×", _adapter_burst),
    Line("conversion", "60,000 rows in xLAM's shape", "≤ 60 s, ≤ 1 GiB, linear", _conversion),
    Line("calls", "a small call, idle and while a training runs", "≤ 5 ms, ≤ 30 ms", _overhead),
    Line("calls", "a page of a list of 10,000 objects", "≤ 20 ms", _pages),
    Line("growth", "training time grows with rows", "linearly (≤ 1.25 ×)", _linear),
)  # fmt: skip


def table(record: dict) -> str:
    """A Markdown table of all targets; one whose part is not recorded says so."""
    lines = ["| what | to reach | measured | reached |", "|---|---|---|---|"]
    for line in LINES:
        measured = record["parts"].get(line.part)
        text, reached = line.found(measured) if measured else ("not recorded", False)
        lines.append(f"| {line.what} | {line.reach} | {text} | {'yes' if reached else 'no'} |")
    return "\n".join(lines)


def section(record: dict) -> str:
    """The page's part: plot (once its parts are recorded), table, circumstances."""
    machine, commits = record["machine"], sorted({part["commit"] for part in record["parts"].values()})
    minutes = sum(part["took_s"] for part in record["parts"].values()) / 60
    words = f"Commit {', '.join(commits)}, {machine['cores']} cores ({machine['cpu']}), {minutes:.0f} minutes."
    picture = (
        f'<img src="../results/bench.png" width="100%" alt="{PLOTS}" />\n\n'
        if record["parts"].keys() >= PLOTTED
        else ""
    )
    return f"{picture}{table(record)}\n\n{words}"


def draw(record: dict, path: Path) -> None:
    """Three plots: losses over time, rows per second by server, rows per second by clients."""
    parts = record["parts"]
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    losses, servers, clients = figure.subplots(1, 3)
    training, serving = parts["training"], parts["growth"]["serving"]
    _, values, seconds = zip(*training["ours"]["curve"], strict=True)
    losses.plot(seconds, values, "o-", color=BLUE, label="local_nemo")
    losses.plot([training["peer"]["seconds"]], [training["peer"]["val_loss"]], "s", color=ORANGE, label="trl")
    losses.set(xlabel="seconds", ylabel="validation loss", title="Training")
    losses.legend(frameon=False)
    names = {"transformers": "transformers", "llama_cpp": "llama.cpp", "ours": "local_nemo"}
    rates = [parts["generation"][name]["rows_per_s"] for name in names]
    bars = servers.barh(list(names.values()), rates, color=[ORANGE, ORANGE, BLUE])
    servers.bar_label(bars, padding=3)
    servers.set(xlabel="rows per second", title="32 requests at once", xlim=(0, 1.2 * max(rates)))
    counts = [one["clients"] for one in serving]
    clients.plot(counts, [one["rows_per_s"] for one in serving], "o-", color=BLUE)
    clients.set(xlabel="clients at once", ylabel="rows per second", title="Serving", ylim=(0, None))
    clients.set_xscale("log", base=2)
    clients.set_xticks(counts, counts)
    for axes in (losses, servers, clients):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=INK)
    figure.savefig(path, dpi=120)
