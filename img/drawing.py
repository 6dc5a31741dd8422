"""What the project's diagrams share: an opaque light card, boxes, arrows, one palette.

The card is opaque, so the figures read the same on GitHub's light and dark pages. The tints
are the Okabe-Ito colours, which stay apart for colour-blind readers; every box also carries
its meaning in words, so no figure depends on colour alone.
Does not know what any figure shows: see draw_tool_use.py and draw_end_to_end.py.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (the backend must be chosen first)
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch  # noqa: E402

INK = "#1b1f24"
MUTED = "#57606a"
PAPER = "#ffffff"
RULE = "#d0d7de"
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


def box(axes: Axes, x: float, y: float, width: float, height: float, tint: str, title: str, body: str = "",
        mono: bool = False) -> None:
    """A rounded box with a bold title and, below it, left-aligned text."""
    edge, fill = TINTS[tint]
    axes.add_patch(FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=0.09",
                                  edgecolor=edge, facecolor=fill, linewidth=1.4))
    if not body:
        axes.text(x + width / 2, y + height / 2, title, ha="center", va="center", color=INK, fontsize=11,
                  fontweight="bold")
        return
    axes.text(x + 0.14, y + height - 0.13, title, ha="left", va="top", color=edge, fontsize=11, fontweight="bold")
    axes.text(x + 0.14, y + height - 0.41, body, ha="left", va="top", color=INK, fontsize=9, linespacing=1.45,
              family="DejaVu Sans Mono" if mono else "DejaVu Sans")


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], *, bend: float = 0.0,
          colour: str = INK) -> None:
    """An arrow between two points; `bend` curves it (as a share of its length)."""
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=13, linewidth=1.5, color=colour,
                                   shrinkA=0, shrinkB=0, connectionstyle=f"arc3,rad={bend}"))


def number(axes: Axes, x: float, y: float, text: str, tint: str = "grey") -> None:
    """A step number in a filled circle."""
    edge, _ = TINTS[tint]
    axes.text(x, y, text, ha="center", va="center", color=PAPER, fontsize=9, fontweight="bold",
              bbox={"boxstyle": "circle,pad=0.28", "facecolor": edge, "edgecolor": edge})


def label(axes: Axes, x: float, y: float, text: str, *, align: str = "center", size: float = 9,
          colour: str = MUTED) -> None:
    """Free text beside an arrow or under a group."""
    axes.text(x, y, text, ha=align, va="center", color=colour, fontsize=size, linespacing=1.35)


def save(axes: Axes, path: Path) -> Path:
    """Writes the card as a PNG at 200 dpi (crisp at twice the size it is shown) and closes it."""
    axes.figure.savefig(path, dpi=200, facecolor=PAPER, metadata={"Software": None})
    pyplot.close(axes.figure)
    return path
