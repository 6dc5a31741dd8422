"""Numbers in a JSON Schema: bounds of a value, and counts such as `minItems`.

What cannot guide an answer is refused by name (`GrammarRefused`); bounds that leave nothing raise `Impossible`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from .errors import GrammarRefused
from .number_ranges import integers, numbers
from .shapes import Number


class Impossible(Exception):
    """Nothing satisfies this part; an alternative or optional property around it may still do."""


def read_number(kind: str, schema: dict, where: str) -> Number:
    low, high = _bound(schema, "minimum", where), _bound(schema, "maximum", where)
    over, under = _bound(schema, "exclusiveMinimum", where), _bound(schema, "exclusiveMaximum", where)
    step = _bound(schema, "multipleOf", where)
    if step is not None and (step != 1 if kind == "integer" else True):
        if step != 1:
            raise GrammarRefused(f"{where} has multipleOf {step}; only 1 can guide an answer.")
        kind = "integer"
    tiny = Decimal(1) if kind == "integer" else Decimal("0.001")
    if over is not None:
        low = max(low if low is not None else over, _next(over, tiny, kind))
    if under is not None:
        high = min(high if high is not None else under, -_next(-under, tiny, kind))
    expression = integers(low, high) if kind == "integer" else numbers(low, high)
    if not expression:
        raise Impossible(f"{where}: no {kind} lies between its bounds")
    return Number(expression)


def _next(bound: Decimal, step: Decimal, kind: str) -> Decimal:
    """The smallest allowed number above an exclusive bound."""
    return bound.to_integral_value("ROUND_FLOOR") + 1 if kind == "integer" else bound + step


def _bound(schema: dict, key: str, where: str) -> Decimal | None:
    value = schema.get(key)
    if value is None or isinstance(value, bool):  # draft 4 had booleans for exclusive bounds
        return None
    if not isinstance(value, int | float):
        raise GrammarRefused(f"{where} has {key} {str(value)[:100]!r}, which is no number.")
    return Decimal(str(value))


def read_count(schema: dict, key: str, default: int | None, where: str) -> Any:
    value = schema.get(key, default)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise GrammarRefused(f"{where} has {key} {value!r}; it is a number of 0 or more.")
    return value
