"""The Berkeley Function Calling Leaderboard as xLAM-shaped rows, from the files that PyPI's `bfcl-eval` ships.

The offline stand-in for xLAM: single-call rows of four of its parts, with lists of accepted values. A model that is
tuned on them must not report BFCL scores. The package is located, never imported (its own dependencies are not
installed).
"""

from __future__ import annotations

import importlib.util
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from helpers.data import jsonl
from helpers.data.errors import UnknownDataset

PARTS = ("simple_python", "multiple", "live_simple", "live_multiple")
MOST_VARIANTS = 64  # accepted objects are written out; with more combinations than this, only their first values


def folder() -> Path:
    """Where the package keeps its data. Raises UnknownDataset with the command that installs it."""
    package = importlib.util.find_spec("bfcl_eval")
    if package is None or not package.submodule_search_locations:
        raise UnknownDataset(
            "The BFCL data is not installed.",
            now="DATASET is 'bfcl', and no package bfcl_eval is found",
            next_step="pip install --no-deps -r local_nemo/assets.txt",
        )
    return Path(package.submodule_search_locations[0]) / "data"


def rows() -> Iterator[dict[str, Any]]:
    """About 1,900 rows, duplicates included: id, query, answers and tools (JSON text), accepted."""
    for part in PARTS:
        truths = {
            row["id"]: row["ground_truth"] for row in jsonl.read(folder() / "possible_answer" / f"BFCL_v4_{part}.json")
        }
        for row in jsonl.read(folder() / f"BFCL_v4_{part}.json"):
            yield xlam_row(row, truths[row["id"]])


def xlam_row(row: dict[str, Any], truths: list[dict[str, Any]]) -> dict[str, Any]:
    """One BFCL row and its accepted answers in xLAM's shape. A system text becomes the start of the query."""
    query = "\n\n".join(message["content"].strip() for turn in row["question"] for message in turn)
    answers = [{"name": name, "arguments": truth(values, query)} for call in truths for name, values in call.items()]
    accepted = [values for call in truths for values in call.values()]
    shaped = {"id": row["id"], "query": query, "answers": json.dumps(answers), "tools": json.dumps(row["function"])}
    if len(accepted) == 1:
        shaped["accepted"] = {key: written_out(values) for key, values in accepted[0].items()}
    return shaped


def truth(accepted: dict[str, list[Any]], query: str) -> dict[str, Any]:
    """The one right answer: the first accepted value of each argument.

    An argument that may be left out ("" among its values) stays only if one of its values is stated in the query.
    Objects have lists of accepted values inside: the same rule holds for their members.
    """
    arguments = {}
    for key, values in accepted.items():
        values = values if isinstance(values, list) else [values]
        real = [value for value in values if value != ""]
        if real and (len(real) == len(values) or any(is_stated(value, query) for value in real)):
            arguments[key] = _value(real[0], query)
    return arguments


def is_stated(value: Any, query: str) -> bool:
    """Whether the value's text occurs in the query, case ignored. Truth values and null never count."""
    if isinstance(value, bool) or value is None:
        return False
    return str(value).lower() in query.lower()


def _value(value: Any, query: str) -> Any:
    if isinstance(value, dict):
        return truth(value, query)
    if isinstance(value, list):
        return [truth(item, query) if isinstance(item, dict) else item for item in value]
    return value


def written_out(values: list[Any]) -> list[Any]:
    """Accepted values as plain JSON: an object with lists of values inside becomes every object that they allow."""
    return [variant for value in values for variant in _variants(value)]


def _variants(value: Any) -> list[Any]:
    if isinstance(value, dict):
        lists = {key: values if isinstance(values, list) else [values] for key, values in value.items()}
        choices = [[(key, variant) for variant in written_out(values)] for key, values in lists.items()]
        return [{key: member for key, member in chosen if member != ""} for chosen in _product(choices)]
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return [list(chosen) for chosen in _product([_variants(item) for item in value])]
    return [value]


def _product(choices: list[list[Any]]) -> Iterator[tuple[Any, ...]]:
    return itertools.islice(itertools.product(*choices), MOST_VARIANTS)
