"""Tables about one or two evaluations, as pandas DataFrames: a bare last line of a cell shows them.

Every rate stands beside its 95 % interval (Wilson) and the number of rows behind it.
"""

from collections import Counter
from typing import Any

import pandas

from . import records as rows
from .mistakes import KINDS, NEAR_MISSES, mistake
from .records import Group, Record
from .scores import ARGUMENTS, NAME, WORDS, score
from .statistics import Rate, compare, rate
from .text_table import TextTable


def scores(base: list[Record], tuned: list[Record]) -> pandas.DataFrame:
    """Before and after with intervals, and McNemar's exact p value on the same rows."""
    base, tuned = rows.paired(base, tuned)
    before, after = rows.rates(base), rows.rates(tuned)
    lines = {}
    for name in before:
        test = compare([score(one, name) for one in base], [score(one, name) for one in tuned])
        lines[WORDS[name]] = {
            "base model": percent(before[name]),
            "tuned model": percent(after[name]),
            "rows": test.n,
            "better": test.only_second,
            "worse": test.only_first,
            "p (McNemar, exact)": f"{test.p_value:.2g}",
        }
    return pandas.DataFrame.from_dict(lines, orient="index").rename_axis("score (95 % interval)")


def mistakes(base: list[Record], tuned: list[Record]) -> pandas.DataFrame:
    """How many rows of each model are right, and how many have each kind of mistake."""
    columns = {"base model": _kinds(base), "tuned model": _kinds(tuned)}
    frame = pandas.DataFrame(columns, index=["right", *KINDS]).fillna(0).astype(int)
    frame.loc["all rows"] = frame.sum()
    return frame.rename_axis("outcome")


def near_misses(records: list[Record]) -> pandas.DataFrame:
    """Wrong rows whose values miss by their writing alone, by kind of writing."""
    found = Counter(one.near_miss for record in records if (one := mistake(record)) and one.near_miss)
    return pandas.DataFrame({"rows": [found[kind] for kind in NEAR_MISSES]}, index=list(NEAR_MISSES)).rename_axis(
        "right but for its"
    )


def by(group: Group, base: list[Record], tuned: list[Record], *, least_rows: int = 1) -> pandas.DataFrame:
    """Right function and right arguments for each value of a group: `records.number_of_tools`, `records.true_tool`, …

    Groups with fewer than `least_rows` rows are left out; the largest come first, numbers in order.
    """
    base, tuned = rows.paired(base, tuned)
    members: dict[Any, list[int]] = {}
    for place, record in enumerate(base):
        members.setdefault(group(record), []).append(place)
    lines = {}
    for value, places in sorted(members.items(), key=lambda item: (-len(item[1]), str(item[0]))):
        if len(places) >= least_rows:
            lines[value] = {"rows": len(places)} | {
                f"{words}, {WORDS[name]}": percent(_rate([records[place] for place in places], name))
                for name in (NAME, ARGUMENTS)
                for words, records in (("base", base), ("tuned", tuned))
            }
    frame = pandas.DataFrame.from_dict(lines, orient="index")
    return frame.sort_index() if all(str(value)[:1].isdigit() for value in lines) else frame


def examples(records: list[Record], *, each: int = 1) -> TextTable:
    """The first `each` wrong rows of every kind of mistake, in full."""
    seen: Counter[str] = Counter()
    lines = []
    for record in records:
        found = mistake(record)
        if found and seen[found.kind] < each:
            seen[found.kind] += 1
            lines.append(
                {
                    "kind": found.kind,
                    "row": record["index"],
                    "query": record["query"],
                    "right": rows.calls_text(record["truth"]),
                    "answer": rows.answer_text(record),
                    "what is wrong": found.detail + (f" ({found.near_miss})" if found.near_miss else ""),
                }
            )
    columns = ["kind", "row", "query", "right", "answer", "what is wrong"]
    frame = TextTable(lines, columns=columns)
    return frame.sort_values("kind", key=lambda kinds: kinds.map(KINDS.index), kind="stable").set_index("kind")


def latency(base: list[Record], tuned: list[Record]) -> pandas.DataFrame:
    """Seconds an answer took (many are asked at once) and its tokens: median and 95th percentile."""
    fields = {"seconds": "latency_s", "prompt tokens": "prompt_tokens", "answer tokens": "completion_tokens"}
    lines: dict[str, dict[str, float]] = {}
    for words, key in fields.items():
        for model, records in (("base model", base), ("tuned model", tuned)):
            values = pandas.Series([one[key] for one in records if one.get(key) is not None], dtype=float)
            lines.setdefault(words, {})[f"{model}, median"] = values.median()
            lines[words][f"{model}, 95 %"] = values.quantile(0.95)
    return pandas.DataFrame.from_dict(lines, orient="index").round(2)


def percent(one: Rate) -> str:
    """A rate as tables show it: `46.0 % (36.6 – 55.7)`."""
    if one.value is None:  # of no rows
        return "–"
    return f"{100 * one.value:.1f} % ({100 * one.low:.1f} – {100 * one.high:.1f})"


def _kinds(records: list[Record]) -> pandas.Series:
    return pandas.Series([found.kind if (found := mistake(one)) else "right" for one in records]).value_counts()


def _rate(records: list[Record], name: str) -> Rate:
    values = [value for one in records if (value := score(one, name)) is not None]
    return rate(sum(value == 1.0 for value in values), len(values))
