"""What became of every row: kept, repaired (how) or dropped (why), with one example for each reason.

The report counts while rows stream by and keeps no row. `table` and `plot` show it in the notebook, `as_dict` is what
`data/report.json` holds.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from helpers.data.convert import ConvertedRow
from helpers.data.raw import Dropped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from helpers.text_table import TextTable

COLORS = {"kept": "#56B4E9", "repaired": "#E69F00", "dropped": "#D55E00"}  # told apart with any colour vision
INK = "#7a7a7a"  # readable on light and dark pages


@dataclass
class Report:
    """Counts of a preparation. A repaired row may have several repairs; each row counts once under `outcomes`."""

    outcomes: Counter[str] = field(default_factory=Counter)
    repairs: Counter[str] = field(default_factory=Counter)
    drops: Counter[str] = field(default_factory=Counter)
    examples: dict[str, dict[str, str]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)  # seed, limits, splits: whatever the preparation adds

    @property
    def rows(self) -> int:
        """How many rows were read."""
        return self.outcomes.total()

    @property
    def usable(self) -> int:
        return self.outcomes["kept"] + self.outcomes["repaired"]

    def keep(self, row: ConvertedRow) -> None:
        self.outcomes["repaired" if row.repairs else "kept"] += 1
        for reason in row.repairs:
            self.repairs[reason] += 1
            self.examples.setdefault(reason, {"id": row.id, "question": _short(row.query)})

    def drop(self, raw: Any, dropped: Dropped) -> None:
        self.outcomes["dropped"] += 1
        self.drops[dropped.reason] += 1
        if dropped.reason not in self.examples:
            self.examples[dropped.reason] = {
                "id": _id(raw),
                "question": _question(raw),
                "detail": _short(dropped.detail),
            }

    def take_back(self, row: ConvertedRow, dropped: Dropped) -> None:
        """A row that was kept, or repaired, is dropped after all."""
        self.outcomes["repaired" if row.repairs else "kept"] -= 1
        self.repairs -= Counter(row.repairs)
        self.drop({"id": row.id, "query": row.query}, dropped)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON, most frequent reasons first."""

        def reasons(counts: Counter[str]) -> dict[str, Any]:
            return {reason: {"rows": n, "example": self.examples[reason]} for reason, n in _ordered(counts)}

        outcomes = {name: self.outcomes[name] for name in COLORS}
        return {
            "rows": self.rows,
            "outcomes": outcomes,
            "repaired": reasons(self.repairs),
            "dropped": reasons(self.drops),
        } | self.facts

    def table(self) -> TextTable:
        """One line per outcome and reason: rows, and one example."""
        from helpers.text_table import TextTable

        lines = [("kept", "as it was", self.outcomes["kept"], "", "")]
        for outcome, counts in (("repaired", self.repairs), ("dropped", self.drops)):
            for reason, n in _ordered(counts):
                example = self.examples[reason]
                lines.append((outcome, reason, n, example["id"], example.get("detail") or example["question"]))
        return TextTable(lines, columns=["outcome", "reason", "rows", "for example", "which"])

    def plot(self) -> Figure:
        """A bar per reason, coloured by outcome; not registered with pyplot, so that a notebook shows it once."""
        from matplotlib.figure import Figure

        table = self.table().iloc[::-1]
        figure = Figure(figsize=(8, 0.9 + 0.3 * len(table)), layout="constrained")
        figure.patch.set_alpha(0.0)
        axes = figure.subplots()
        axes.patch.set_alpha(0.0)
        bars = axes.barh(table["reason"], table["rows"], color=[COLORS[outcome] for outcome in table["outcome"]])
        axes.bar_label(bars, padding=3, color=INK)
        axes.set_xlabel("rows (a repaired row may have several repairs)", color=INK)
        counts = ", ".join(f"{self.outcomes[name]:,} {name}" for name in COLORS)
        figure.suptitle(f"{counts} of {self.rows:,} rows", color=INK)
        axes.tick_params(colors=INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(INK)
        axes.margins(x=0.12)
        return figure

    def __repr__(self) -> str:
        counts = ", ".join(f"{self.outcomes[name]} {name}" for name in COLORS)
        return f"<Report: {self.rows} rows read: {counts}>"


def _ordered(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _id(raw: Any) -> str:
    return str(raw.get("id", "")) if isinstance(raw, dict) else ""


def _question(raw: Any) -> str:
    if not isinstance(raw, dict):
        return ""
    messages = raw.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages and isinstance(messages[-1], dict) else {}
    return _short(str(raw.get("query") or last.get("content") or ""))


def _short(text: str) -> str:
    text = " ".join(text.encode("utf-8", "replace").decode().split())
    return text if len(text) <= 120 else text[:119] + "…"
