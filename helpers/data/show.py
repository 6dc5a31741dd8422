"""Rows as a reader can look at them: before and after conversion side by side, and the shortest row of a file.

The objects have a `repr` for Jupyter and one for text, so that a bare last line of a cell shows them.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from helpers.data.convert import ConvertedRow, convert
from helpers.data.errors import EmptyDataset
from helpers.data.raw import Dropped

LOOKED_AT = 200  # rows; the first of them that had to be repaired makes the best example


@dataclass(frozen=True)
class SideBySide:
    """Two JSON values beside each other."""

    before: Any
    after: Any

    def _repr_html_(self) -> str:
        style = "text-align:left;vertical-align:top;white-space:pre-wrap;font-family:monospace;width:50%"
        cells = (f'<td style="{style}">{html.escape(pretty(value))}</td>' for value in (self.before, self.after))
        head = "".join(f'<th style="text-align:left">{name}</th>' for name in ("before", "after"))
        return f"<table><tr>{head}</tr><tr>{''.join(cells)}</tr></table>"

    def __repr__(self) -> str:
        return f"before:\n{pretty(self.before)}\n\nafter:\n{pretty(self.after)}"


def example(rows: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], ConvertedRow]:
    """A raw row that converts, and what it becomes; one that had to be repaired if there is one among the first 200.

    Raises EmptyDataset if none of them converts, with the reason of the last.
    """
    found, why = None, "there are no rows"
    for raw in islice(rows, LOOKED_AT):
        try:
            row = convert(raw)
        except Dropped as dropped:
            why = str(dropped)
            continue
        if row.repairs:
            return raw, row
        found = found or (raw, row)
    if found is None:
        raise EmptyDataset(
            f"None of the first {LOOKED_AT} rows can be used.",
            now=f"the last of them: {why}",
            next_step='rows need {"query", "answers", "tools"} or {"messages", "tools"}, with exactly one tool call',
        )
    return found


def before_and_after(raw: dict[str, Any], row: ConvertedRow) -> SideBySide:
    """The raw row, its JSON texts opened, beside the training row."""
    opened = {key: _opened(value) for key, value in raw.items()}
    return SideBySide(opened, row.training_row())


def shortest_row(path: Path | str) -> str:
    """The shortest row of a JSONL file, laid out for reading: whole, and still on one screen."""
    with Path(path).open(encoding="utf-8") as file:
        return pretty(json.loads(min(file, key=len)))


def pretty(value: Any) -> str:
    """JSON with an indent, small objects and lists on one line."""
    return _lines(value, 0)


def _lines(value: Any, indent: int) -> str:
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or len(flat) + indent <= 90:
        return flat
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        items = [
            f"{pad}{json.dumps(key, ensure_ascii=False)}: {_lines(item, indent + 2)}" for key, item in value.items()
        ]
    else:
        items = [pad + _lines(item, indent + 2) for item in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return opening + "\n" + ",\n".join(items) + "\n" + " " * indent + closing


def _opened(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in "[{":
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
