"""Scores of one evaluation record: the Evaluator's two, and a third that accepts any accepted value.

`function_name_accuracy` and `function_name_and_args_accuracy` follow NeMo's tool-calling metric to the letter, so
records made without the Evaluator (`ask_rows`) are scored alike. `function_name_and_accepted_args_accuracy` needs
`accepted` in the row: per argument the list of values that count as right, where "" means that it may be left out.
"""

import json
from typing import Any

NAME = "function_name_accuracy"
ARGUMENTS = "function_name_and_args_accuracy"
ACCEPTED = "function_name_and_accepted_args_accuracy"
WORDS = {  # for tables and plots
    NAME: "right function",
    ARGUMENTS: "right function and arguments",
    ACCEPTED: "the same, any accepted value counts",
}


class Unreadable(ValueError):
    """The arguments of a predicted call are not a JSON object."""


def name_of(call: dict[str, Any]) -> Any:
    """The function's name, None without one."""
    return (call.get("function") or {}).get("name")


def arguments_of(call: dict[str, Any]) -> dict[str, Any]:
    """The parsed arguments of a predicted call; raises `Unreadable`."""
    text = (call.get("function") or {}).get("arguments")
    try:
        arguments = {} if text is None else json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise Unreadable(f"arguments {str(text)[:200]!r} are not JSON") from error
    if not isinstance(arguments, dict):
        raise Unreadable(f"arguments {str(text)[:200]!r} are not an object")
    return arguments


def published(truth: list[dict[str, Any]], predicted: list[dict[str, Any]]) -> dict[str, float | None]:
    """The Evaluator's two scores; None where arguments are not JSON (its NaN)."""
    expected = {name_of(call): call["function"]["arguments"] for call in truth}
    called = [call for call in predicted if "name" in (call.get("function") or {})]
    same = set(expected) == {name_of(call) for call in called}
    try:
        given = {}
        for call in called:
            text = call["function"].get("arguments")
            given[name_of(call)] = {} if text is None else json.loads(text)
    except (TypeError, json.JSONDecodeError):
        return {NAME: float(same), ARGUMENTS: None}
    return {NAME: float(same), ARGUMENTS: float(same and given == expected)}


def accepted(record: dict[str, Any]) -> float | None:
    """The third score of a record; None if its row has no accepted values or it was not answered."""
    values = (record.get("item") or {}).get("accepted")
    if values is None or score(record, NAME) is None or not isinstance(record.get("truth"), list):
        return None
    if score(record, ARGUMENTS) == 1.0:
        return 1.0
    if score(record, NAME) != 1.0 or len(record["predicted"]) != 1 or len(record["truth"]) != 1:
        return 0.0
    try:
        given = arguments_of(record["predicted"][0])
    except Unreadable:
        return 0.0
    present = all(key in given or "" in choices for key, choices in values.items())
    return float(present and all(key in values and value in values[key] for key, value in given.items()))


def score(record: dict[str, Any], name: str) -> float | None:
    """One score of a record, None if it has none."""
    return accepted(record) if name == ACCEPTED else (record.get("scores") or {}).get(name)
