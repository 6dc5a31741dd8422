"""Plots of the tutorial: losses of a training, scores and mistakes before and after.

Colours are Okabe and Ito's, told apart with any kind of colour vision; models also differ by hatching. Backgrounds are
transparent and ink is a middle grey, so that figures read on light and dark pages. Each function returns its Figure.
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import records as rows
from .mistakes import KINDS, mistake
from .records import Record
from .scores import WORDS

INK = "#7a7a7a"
ORANGE, SKY, BLUE = "#E69F00", "#56B4E9", "#0072B2"
Look = dict[str, Any]  # keywords of matplotlib
BASE: Look = {"color": ORANGE, "hatch": "//"}
TUNED: Look = {"color": SKY}
THIN: Look = {"edgecolor": INK, "linewidth": 0.6}


class Picture(Figure):
    """A figure made without pyplot that every notebook shows; of a plain `Figure` some show the name alone."""

    def _repr_png_(self) -> bytes:
        file = BytesIO()
        self.savefig(file, format="png", transparent=True)
        return file.getvalue()


def scores(base: list[Record], tuned: list[Record]) -> Figure:
    """Every score before and after, with 95 % intervals and the number of rows."""
    figure, axes = _figure(height=3.2)
    measured = [rows.rates(base), rows.rates(tuned)]
    names = list(measured[0])
    for shift, words, look, rates in zip(
        (-0.2, 0.2), ("base model", "tuned model"), (BASE, TUNED), measured, strict=True
    ):
        values = [100 * (rates[name].value or 0.0) for name in names]
        spread = [
            [value - 100 * rates[name].low for value, name in zip(values, names, strict=True)],
            [100 * rates[name].high - value for value, name in zip(values, names, strict=True)],
        ]
        places = [place + shift for place in range(len(names))]
        axes.bar(places, values, 0.38, yerr=_not_negative(spread), ecolor=INK, capsize=4, label=words, **look, **THIN)
        for place, value, name in zip(places, values, names, strict=True):
            axes.text(place, max(value, 100 * rates[name].high) + 2, f"{value:.0f} %", ha="center", color=INK)
    axes.set_xticks(range(len(names)), [WORDS[name].replace(", ", ",\n").replace(" and ", "\nand ") for name in names])
    axes.set(ylim=(0, 118), yticks=range(0, 101, 25), ylabel=f"% of {len(base)} rows")
    _legend(axes, columns=2)
    return figure


def mistakes(base: list[Record], tuned: list[Record]) -> Figure:
    """How many rows of each model have which kind of mistake."""
    kinds = [kind for kind in KINDS if any((one := mistake(record)) and one.kind == kind for record in [*base, *tuned])]
    figure, axes = _figure(height=0.7 + 0.55 * max(2, len(kinds)))
    for shift, words, look, records in ((-0.2, "base model", BASE, base), (0.2, "tuned model", TUNED, tuned)):
        found = [one.kind for record in records if (one := mistake(record))]
        places = [place + shift for place in range(len(kinds))]
        bars = axes.barh(places, [found.count(kind) for kind in kinds], 0.38, label=words, **look, **THIN)
        axes.bar_label(bars, padding=3, color=INK)
    axes.set_yticks(range(len(kinds)), kinds)
    axes.invert_yaxis()
    axes.set(xlabel=f"rows of {len(base)}")
    axes.margins(x=0.12)
    _legend(axes)
    return figure


def losses(status: Mapping[str, Any]) -> Figure:
    """Training and validation loss of a customization job over its steps, from the job or its `status_details`."""
    details = status.get("status_details") or status
    curves = (details.get("metrics") or {}).get("metrics") or {}
    figure, axes = _figure(height=3.0)
    looks: list[tuple[str, str, Look]] = [
        ("train_loss", "training", {"color": BLUE}),
        ("val_loss", "validation", {"color": ORANGE, "marker": "o"}),
    ]
    for key, words, look in looks:
        points = curves.get(key) or []
        if points:
            axes.plot(
                [point["step"] + 1 for point in points], [point["value"] for point in points], label=words, **look
            )
    axes.set(xlabel="step", ylabel="loss of the answer's tokens", ylim=(0, None))
    if curves:
        _legend(axes)
    return figure


def _figure(*, height: float) -> tuple[Figure, Axes]:
    """An empty figure 7 inches wide, with quiet axes."""
    figure, axes = pyplot.subplots(figsize=(7.0, height), layout="constrained")
    figure.patch.set_alpha(0.0)
    axes.patch.set_alpha(0.0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.tick_params(colors=INK)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    return figure, axes


def _legend(axes: Axes, *, columns: int = 1) -> None:
    axes.legend(frameon=False, ncols=columns, labelcolor=INK)


def _not_negative(spread: Sequence[Sequence[float]]) -> list[list[float]]:
    return [[max(0.0, value) for value in side] for side in spread]
