"""The raw records of an evaluation, one a row, and what follows from them: scores, mistakes, groups.

    records = evaluator.download_records(platform, job_id, folder)
    summary = records_module.summary(base, tuned)            # metrics.json's `evaluation`

A record is `{index, query, item, tools, truth, response, predicted, scores, error, latency_s, prompt_tokens,
completion_tokens}`. Every figure here is counted from records alone, so it holds for a cluster's results. Records of
two models are compared row by row: `paired` matches them by row index.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas

from .errors import DatasetError
from .mistakes import mistake
from .scores import ACCEPTED, ARGUMENTS, NAME, name_of, score
from .statistics import Rate, rate

Record = dict[str, Any]
Group = Callable[[Record], Any]


def rates(records: Iterable[Record]) -> dict[str, Rate]:
    """Each score as a rate with its interval, over the rows that have it; the third only if rows carry `accepted`."""
    found = {name: [value for one in records if (value := score(one, name)) is not None] for name in _names(records)}
    return {name: rate(sum(value == 1.0 for value in values), len(values)) for name, values in found.items()}


def summary(base: list[Record], tuned: list[Record]) -> dict[str, Any]:
    """`{n, base, customized}` as metrics.json keeps it: each score, its 95 % interval, and how many rows failed."""
    base, tuned = paired(base, tuned)
    return {"n": len(base), "base": _side(base), "customized": _side(tuned)}


def paired(base: list[Record], tuned: list[Record]) -> tuple[list[Record], list[Record]]:
    """Both in row order. Raises `DatasetError` unless they hold the same rows."""
    first, second = ({(one.get("task"), one["index"]): one for one in records} for records in (base, tuned))
    if first.keys() != second.keys() or any(first[key]["item"] != second[key]["item"] for key in first):
        raise DatasetError(
            "The two evaluations are not of the same rows, so they can't be compared.",
            now=f"{len(first)} and {len(second)} rows, {len(first.keys() & second.keys())} with the same index.",
            next_step="evaluate both models on the same file with the same limit (notebook 3 does).",
        )
    order = sorted(first, key=lambda key: (str(key[0]), key[1]))
    return [first[key] for key in order], [second[key] for key in order]


def table(base: list[Record], tuned: list[Record]) -> pandas.DataFrame:
    """One line a row: the question, the right call, both answers, and the mistake of each (empty when right)."""
    base, tuned = paired(base, tuned)
    lines = []
    for before, after in zip(base, tuned, strict=True):
        first, second = mistake(before), mistake(after)
        lines.append(
            {
                "row": before["index"],
                "query": before["query"],
                "truth": calls_text(before["truth"]),
                "base": answer_text(before),
                "tuned": answer_text(after),
                "base mistake": first.kind if first else "",
                "tuned mistake": second.kind if second else "",
                "near miss": (second.near_miss if second else None) or "",
                "detail": second.detail if second else "",
            }
        )
    return pandas.DataFrame(lines).set_index("row") if lines else pandas.DataFrame()


def number_of_tools(record: Record) -> str:
    """A group: how many tools the row offers."""
    count = len(record.get("tools") or [])
    return str(count) if count <= 3 else "4 or more"


def true_tool(record: Record) -> str:
    """A group: the function that should have been called."""
    return ", ".join(name_of(call) for call in record["truth"] or []) or "none"


def seen_in(training: str | Path) -> Group:
    """A group: whether the right function occurs among the tools of the training file (JSONL)."""
    with Path(training).open(encoding="utf-8") as lines:
        known = {name_of(tool) for line in lines if line.strip() for tool in json.loads(line).get("tools") or []}
    return lambda record: (
        "seen in training" if {name_of(call) for call in record["truth"] or []} <= known else "not seen in training"
    )


def calls_text(calls: list[dict[str, Any]] | None) -> str:
    """Calls as a reader writes them: `get_weather(location="Berlin")`."""
    return "; ".join(_call_text(call.get("function") or {}) for call in calls or [])


def answer_text(record: Record) -> str:
    """What the model answered: its calls, else the start of its text, else why there is no answer."""
    if record["predicted"]:
        return calls_text(record["predicted"])
    if not record.get("response"):
        return f"[{record.get('error')}]"
    text = (record["response"].get("choices") or [{}])[0].get("message", {}).get("content") or ""
    return " ".join(text.split())[:200]


def _names(records: Iterable[Record]) -> list[str]:
    carried = any("accepted" in (one.get("item") or {}) for one in records)
    return [NAME, ARGUMENTS, ACCEPTED] if carried else [NAME, ARGUMENTS]


def _side(records: list[Record]) -> dict[str, Any]:
    measured = rates(records)
    return {
        **{name: one.value for name, one in measured.items()},
        "ci95": {name: [one.low, one.high] for name, one in measured.items()},
        "scored": {name: one.n for name, one in measured.items()},
        "failed_rows": sum(bool(one.get("error")) for one in records),
    }


def _call_text(function: dict[str, Any]) -> str:
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return f"{function.get('name')}({arguments!r})"
    if not isinstance(arguments, dict):
        return f"{function.get('name')}({'' if arguments is None else json.dumps(arguments)})"
    listed = ", ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in arguments.items())
    return f"{function.get('name')}({listed})"
