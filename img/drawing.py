"""What the project's diagrams share: an opaque light card, boxes, arrows, one palette.

The card is opaque, so the figures read the same on GitHub's light and dark pages. The tints
are the Okabe-Ito colours, which stay apart for colour-blind readers; every box also carries
its meaning in words, so no figure depends on colour alone.
Does not know what any figure shows: see draw_tool_use.py and draw_end_to_end.py.
"""

from pathlib import Path
from typing import NamedTuple

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

INK = "#1b1f24"
MUTED = "#57606a"
PAPER = "#ffffff"
SANS, MONO = "DejaVu Sans", "DejaVu Sans Mono"  # matplotlib ships both
TINTS = {  # role: (edge, fill)
    "orange": ("#b35c00", "#fdebd3"),
    "sky": ("#1b6fa8", "#e1f1fb"),
    "green": ("#00694e", "#d9f2e9"),
    "purple": ("#8a4a75", "#f7e6f1"),
    "grey": ("#57606a", "#f3f5f7"),
}


def card(width: float, height: float) -> Axes:
    """An empty light card; one axis unit is one inch, the origin is at the lower left."""
    figure = pyplot.figure(figsize=(width, height), facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    return axes


class Box(NamedTuple):
    """A rounded box at (x, y), its lower left corner: a bold title and, below it, left-aligned text."""

    x: float
    y: float
    width: float
    height: float
    tint: str
    title: str = ""
    body: str = ""
    family: str = SANS


def box(axes: Axes, shape: Box) -> None:
    """Draws the box; a title without a body is centred."""
    x, y, width, height, tint, title, body, family = shape
    edge, fill = TINTS[tint]
    outline = "round,pad=0,rounding_size=0.09"
    axes.add_patch(FancyBboxPatch((x, y), width, height, outline, edgecolor=edge, facecolor=fill, linewidth=1.4))
    heading = {"fontsize": 11, "fontweight": "bold"}
    if not body:
        axes.text(x + width / 2, y + height / 2, title, ha="center", va="center", color=INK, **heading)
        return
    top = y + height
    axes.text(x + 0.14, top - 0.13, title, va="top", color=edge, **heading)
    axes.text(x + 0.14, top - 0.41, body, va="top", color=INK, fontsize=9, linespacing=1.45, family=family)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], *, bend: float = 0.0) -> None:
    """An arrow between two points; `bend` curves it (as a share of its length)."""
    way = {"connectionstyle": f"arc3,rad={bend}", "shrinkA": 0, "shrinkB": 0}
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=13, linewidth=1.5, color=INK, **way))


def number(axes: Axes, x: float, y: float, text: str) -> None:
    """A step number in a filled circle."""
    disc = {"boxstyle": "circle,pad=0.28", "facecolor": MUTED, "edgecolor": MUTED}
    axes.text(x, y, text, ha="center", va="center", color=PAPER, fontsize=9, fontweight="bold", bbox=disc)


def label(axes: Axes, x: float, y: float, text: str, *, align: str = "center", size: float = 9) -> None:
    """Free text beside an arrow or under a group."""
    axes.text(x, y, text, ha=align, va="center", color=MUTED, fontsize=size, linespacing=1.35)


def save(axes: Axes, path: Path) -> Path:
    """Writes the card as a PNG at 200 dpi (crisp at twice the size it is shown) and closes it."""
    axes.figure.savefig(path, dpi=200, facecolor=PAPER, metadata={"Software": None})
    pyplot.close(axes.figure)
    return path
