"""What kind of mistake a wrong row is. Each wrong row has exactly one kind, the first of KINDS that fits.

    not answered        the request failed; says nothing about the model
    no call             text instead of a call
    unreadable call     something like a call that can't be parsed
    unknown function    a name that was not offered
    wrong function      an offered one, but not the right one (or too many, too few)
    missing argument    the right function, without an argument that it needed
    extra argument      with one that it should not have
    wrong type          "5" for 5, a word for a list
    wrong value         right type, other value

A value that misses by little more than its writing carries a near miss: case, whitespace, number format, date format.
"""

import re
import warnings
from dataclasses import dataclass
from typing import Any

import pandas

from .scores import ARGUMENTS, NAME, Unreadable, arguments_of, name_of, score

KINDS = (
    "not answered",
    "no call",
    "unreadable call",
    "unknown function",
    "wrong function",
    "missing argument",
    "extra argument",
    "wrong type",
    "wrong value",
)
NEAR_MISSES = ("case", "whitespace", "number format", "date format")
CALL_IN_TEXT = re.compile(r"<tool_call>|<\|python_tag\|>|<function=|\"(?:parameters|arguments)\"\s*:", re.IGNORECASE)
DATE = re.compile(
    r"\d{1,4}\s*[-/.]\s*\d|\d{4}|[a-z]{3,9}\.?,?\s+\d|\d+(?:st|nd|rd|th)?\s+(?:of\s+)?[a-z]{3}", re.IGNORECASE
)
NUMBER = re.compile(r"[-+]?[$€£]?\s*(\d[\d,_ ]*(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?\s*%?", re.IGNORECASE)


@dataclass(frozen=True)
class Mistake:
    """`detail` names the function, argument or values; `near_miss` is one of NEAR_MISSES or None."""

    kind: str
    detail: str = ""
    near_miss: str | None = None


def mistake(record: dict[str, Any]) -> Mistake | None:
    """The mistake of a record, None if name and arguments are right."""
    if not record.get("response") or score(record, NAME) is None:
        return Mistake("not answered", record.get("error") or "")
    if score(record, ARGUMENTS) == 1.0:
        return None
    predicted, truth = record["predicted"], record["truth"] or []
    if not predicted:
        return _without_call(record["response"])
    if not all(isinstance(name_of(call), str) for call in predicted):
        return Mistake("unreadable call", "a call without a function name")
    try:
        given = {name_of(call): arguments_of(call) for call in predicted}
    except Unreadable as error:
        return Mistake("unreadable call", str(error))
    expected = {name_of(call): call["function"]["arguments"] for call in truth}
    return _wrong_function(record, set(expected), set(given)) or _wrong_arguments(expected, given)


def error_kind(record: dict[str, Any]) -> str | None:
    """The kind alone: one of KINDS, None for a right row."""
    found = mistake(record)
    return found.kind if found else None


def near_miss(expected: Any, given: Any) -> str | None:
    """Which of NEAR_MISSES makes two unequal values one, None if none does. Looks into lists and objects."""
    if isinstance(expected, dict) and isinstance(given, dict) and expected.keys() == given.keys():
        return _all_near([(expected[key], given[key]) for key in expected])
    if isinstance(expected, list) and isinstance(given, list) and len(expected) == len(given):
        return _all_near(list(zip(expected, given, strict=True)))
    if isinstance(expected, dict | list) or isinstance(given, dict | list):
        return None
    first, second = str(expected), str(given)
    if isinstance(expected, str) and isinstance(given, str):
        if "".join(first.split()) == "".join(second.split()):
            return "whitespace"
        if "".join(first.split()).casefold() == "".join(second.split()).casefold():
            return "case"
    if not isinstance(expected, bool) and not isinstance(given, bool) and _number(first) == _number(second) is not None:
        return "number format"
    return "date format" if _dates(first) & _dates(second) else None


def _all_near(pairs: list[tuple[Any, Any]]) -> str | None:
    misses = [near_miss(first, second) for first, second in pairs if not _equal(first, second)]
    return misses[0] if misses and all(misses) else None


def _without_call(response: dict[str, Any]) -> Mistake:
    message = response["choices"][0]["message"]
    text = message.get("content") or ""
    start = " ".join(text.split())[:120]
    return Mistake("unreadable call" if CALL_IN_TEXT.search(text) else "no call", start)


def _wrong_function(record: dict[str, Any], expected: set[str], given: set[str]) -> Mistake | None:
    if expected == given:
        return None
    offered = {name_of(tool) for tool in record.get("tools") or []}
    detail = f"{', '.join(sorted(map(str, given)))} instead of {', '.join(sorted(expected)) or 'no call'}"
    return Mistake("unknown function" if offered and given - offered else "wrong function", detail)


def _wrong_arguments(expected: dict[str, Any], given: dict[str, Any]) -> Mistake:
    """The right functions: the first thing that is wrong with their arguments, over all calls."""
    found = []
    for name, true in expected.items():
        if not isinstance(true, dict):  # truth as JSON text never equals parsed arguments
            found.append(Mistake("wrong type", f"{name}: the truth holds its arguments as {type(true).__name__}"))
            continue
        found += [Mistake("missing argument", key) for key in true.keys() - given[name].keys()]
        found += [Mistake("extra argument", key) for key in given[name].keys() - true.keys()]
        shared = [(key, true[key], given[name][key]) for key in true if key in given[name]]
        found += [_wrong_value(key, right, wrong) for key, right, wrong in shared if not _equal(right, wrong)]
    return min(found, key=lambda one: (KINDS.index(one.kind), one.near_miss is not None))


def _wrong_value(key: str, right: Any, wrong: Any) -> Mistake:
    kind = "wrong value" if _type(right) == _type(wrong) else "wrong type"
    return Mistake(kind, f"{key}: {wrong!r} instead of {right!r}", near_miss(right, wrong))


def _equal(first: Any, second: Any) -> bool:
    return first == second


def _type(value: Any) -> str:
    """JSON's types; whole and decimal numbers are one."""
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def _number(text: str) -> float | None:
    plain = text.strip()
    if not NUMBER.fullmatch(plain):
        return None
    plain = re.sub(r"[$€£,_\s]", "", plain)
    return float(plain[:-1]) / 100 if plain.endswith("%") else float(plain)


def _dates(text: str) -> set[pandas.Timestamp]:
    """The moments that a text may mean, day or month first; empty for text that is no date."""
    if len(text) > 40 or not DATE.search(text) or _number(text) is not None:
        return set()
    found = set()
    for day_first in (False,) if re.match(r"\d{4}", text) else (False, True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                moment = pandas.to_datetime(text, dayfirst=day_first)
            except (ValueError, OverflowError):
                continue
        if moment is not pandas.NaT:
            found.add(moment.tz_localize(None) if moment.tzinfo else moment)
    return found
