"""Rows that go into training alone: what you write when the data has too few of something.

    prepared = with_added(prepared, load_rows("examples/days.jsonl"))

They pass the same checks as any row. One that nearly asks what a validation or test row asks is dropped, so that both
still measure what they did; validation and test rows stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from helpers.data import duplicates
from helpers.data.convert import ConvertedRow
from helpers.data.prepare import Prepared, convert_rows
from helpers.data.raw import Dropped
from helpers.data.report import Report


def with_added(prepared: Prepared, rows: Iterable[Any], *, limit_properties: int | None = 8) -> Prepared:
    """`prepared` with the usable ones of `rows` at the end of its training split.

    The report gains `added_to_training`, which has an outcome for each of them, in the form of the report itself.
    """
    report = Report()
    usable = list(convert_rows(rows, report=report, limit_properties=limit_properties))
    measured = [row for name in ("validation", "test") for row in prepared.splits[name]]
    added = _apart(usable, measured, report)
    splits = prepared.splits | {"training": prepared.splits["training"] + added}
    facts = prepared.report.facts | {
        "splits": {name: len(part) for name, part in splits.items()},
        "added_to_training": report.as_dict(),
    }
    return Prepared(splits, replace(prepared.report, facts=facts))


def _apart(rows: list[ConvertedRow], measured: list[ConvertedRow], report: Report) -> list[ConvertedRow]:
    """The rows that nothing in `measured` resembles; the report learns of the others."""
    alike = duplicates.groups(measured + rows)
    close = {at for group in alike if group[0] < len(measured) for at in group}
    kept = []
    for at, row in enumerate(rows, len(measured)):
        if at in close:
            report.take_back(row, Dropped("nearly the question of a validation or test row", row.name))
        else:
            kept.append(row)
    return kept
