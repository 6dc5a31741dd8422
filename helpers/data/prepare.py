"""Raw rows in, splits and a report out: the whole preparation, streaming.

    rows = load_rows("bfcl")
    prepared = prepare(rows, seed=1234)
    prepared.splits["training"], prepared.report

Order: convert and check each row, drop duplicates, take the seeded sample, split. Only usable rows of the sample are
held in memory; tools of the same text are shared between them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from helpers.data import duplicates, splits
from helpers.data.convert import ConvertedRow, ToolCache, convert
from helpers.data.errors import EmptyDataset
from helpers.data.held_out import asks_the_example
from helpers.data.raw import Dropped
from helpers.data.report import Report

if TYPE_CHECKING:
    import pandas

SMALLEST = 3  # rows: one for each split


@dataclass(frozen=True)
class Prepared:
    """Rows by split (`training`, `validation`, `test`), and what became of all the others."""

    splits: dict[str, list[ConvertedRow]]
    report: Report

    @property
    def unseen(self) -> list[ConvertedRow]:
        """The test rows none of whose tools occurs in training."""
        seen = {name for row in self.splits["training"] for name in row.tool_names}
        return [row for row in self.splits["test"] if seen.isdisjoint(row.tool_names)]

    @property
    def counts(self) -> dict[str, int]:
        """Rows in all and by split, under the names of metrics.json."""
        train, validation, test = (len(self.splits[name]) for name in ("training", "validation", "test"))
        return {"rows": train + validation + test, "train": train, "validation": validation, "test": test}

    def table(self) -> pandas.DataFrame:
        """What each split holds, and how much of it calls a tool that training calls too."""
        import pandas

        known = {row.name for row in self.splits["training"]}
        columns = {
            "rows": len,
            "offer two or more tools": lambda rows: sum(len(row.tools) > 1 for row in rows),
            "different tools called": lambda rows: len({row.name for row in rows}),
            "call a tool that training calls": lambda rows: sum(row.name in known for row in rows),
        }
        lines = {name: [count(rows) for count in columns.values()] for name, rows in self.splits.items()}
        return pandas.DataFrame.from_dict(lines, orient="index", columns=list(columns))

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(rows)} {name}" for name, rows in self.splits.items())
        return f"<Prepared: {counts} rows; {self.report.outcomes['dropped']} of {self.report.rows} dropped>"


def convert_rows(
    rows: Iterable[Any], *, report: Report, limit_properties: int | None = None, training: bool = True
) -> Iterator[ConvertedRow]:
    """The usable rows of `rows`, each row counted in `report`.

    Rows for `training` have no duplicates and not the example question of notebook 2; a set that is only evaluated
    keeps both (`training=False`).
    """
    cache = ToolCache()
    seen: set[Any] = set()
    for raw in tqdm(rows, desc="converting", unit=" rows", delay=10, mininterval=1, leave=False):
        try:
            row = convert(raw, cache=cache, limit_properties=limit_properties)
            if training:
                _refuse_repeated(row, seen)
                _refuse_example(row)
        except Dropped as dropped:
            report.drop(raw, dropped)
            continue
        report.keep(row)
        yield row


def _refuse_repeated(row: ConvertedRow, seen: set[bytes]) -> None:
    key = duplicates.key(row)
    if key in seen:
        raise Dropped("same question and tool as an earlier row", row.name)
    seen.add(key)


def _refuse_example(row: ConvertedRow) -> None:
    if asks_the_example(row):
        raise Dropped("asks the tutorial's own example question", row.name)


def prepare(
    rows: Iterable[Any],
    *,
    seed: int,
    num_examples: int = 0,
    limit_properties: int | None = 8,
    strategy: str = "random",
) -> Prepared:
    """Usable rows in splits, and the report.

    `num_examples` limits the usable rows to a seeded sample (0: all). `limit_properties` drops rows that offer a tool
    with more parameters, from every split. `strategy` is `random` or `unseen-tools`. Raises EmptyDataset if fewer than
    three rows are usable; the message says what the others were dropped for.
    """
    report = Report()
    usable = convert_rows(rows, report=report, limit_properties=limit_properties)
    taken = sample(usable, num_examples, seed=seed)
    if len(taken) < SMALLEST:
        raise _too_few(report, len(taken))
    alike = duplicates.groups(taken)
    parts = splits.split(taken, alike, strategy=strategy, seed=seed)
    prepared = Prepared(parts, report)
    report.facts |= {
        "seed": seed,
        "limit_tool_properties": limit_properties,
        "sample": len(taken),
        "strategy": strategy,
        "splits": {name: len(part) for name, part in parts.items()},
        "near_duplicates": sum(len(group) for group in alike if len(group) > 1),
        "test_rows": _overlap(parts) | {"no_tool_seen_in_training": len(prepared.unseen)},
    }
    return prepared


def sample(rows: Iterable[ConvertedRow], size: int, *, seed: int) -> list[ConvertedRow]:
    """`size` rows by seed (0: all), in the order of their ranks; holds no more than `size` rows at a time."""
    ranked = ((splits.rank(seed, b"sample" + duplicates.key(row)), row) for row in rows)
    if not size:
        return [row for _, row in sorted(ranked, key=lambda pair: pair[0])]
    return [row for _, row in heapq.nsmallest(size, ranked, key=lambda pair: pair[0])]


def _overlap(parts: dict[str, list[ConvertedRow]]) -> dict[str, int]:
    """How many test rows call a tool that training calls, or one that training at least offers."""
    called = {row.name for row in parts["training"]}
    offered = {name for row in parts["training"] for name in row.tool_names}
    test = parts["test"]
    return {
        "call_a_tool_called_in_training": sum(row.name in called for row in test),
        "call_a_tool_offered_in_training": sum(row.name in offered for row in test),
        "call_a_tool_unseen_in_training": sum(row.name not in offered for row in test),
        "offer_two_or_more_tools": sum(len(row.tools) > 1 for row in test),
    }


def _too_few(report: Report, usable: int) -> EmptyDataset:
    reasons = ", ".join(f"{n} × {reason}" for reason, n in report.drops.most_common(5)) or "there were no rows"
    return EmptyDataset(
        f"Only {usable} of {report.rows} rows can be used; training, validation and test need one each.",
        now=f"dropped: {reasons}",
        next_step="look at one of the dropped rows, mend the data, or set DATASET to another set",
    )
