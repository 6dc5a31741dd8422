"""Grammar expressions for numbers between two bounds.

A grammar knows digits, not sizes, so a range is split by its leading digits. Where bounds make the exact set too
fine, the expression allows less than the schema, never more.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

DIGITS = 15  # more cannot be told apart in a double
FINE = 3  # decimals tried when a range holds no whole step

INTEGER = f'"-"? ("0" | [1-9] [0-9]{{0,{DIGITS - 1}}})'
FRACTION = f'("." [0-9]{{1,{DIGITS}}})'
NUMBER = f"{INTEGER} {FRACTION}? ([eE] [+-]? [0-9] [0-9]?)?"


def integers(low: Decimal | None, high: Decimal | None) -> str | None:
    """An expression for the integers from `low` to `high` (None is open), or None if there is none."""
    if low is None and high is None:
        return INTEGER
    limit = 10**DIGITS - 1
    first = -limit if low is None else max(-limit, int(low.to_integral_value(ROUND_CEILING)))
    last = limit if high is None else min(limit, int(high.to_integral_value(ROUND_FLOOR)))
    return _any(_signed(first, last))


def numbers(low: Decimal | None, high: Decimal | None) -> str | None:
    """An expression for numbers from `low` to `high`, with or without decimals, or None if it finds none."""
    if low is None and high is None:
        return NUMBER
    whole = integers(low, high)
    limit = Decimal(10) ** (DIGITS - 1)
    bottom, top = -limit if low is None else low, limit if high is None else high
    options = [whole] if whole else []
    # n.fff lies in [n, n + 1), -n.fff in (-n - 1, -n]
    steps = _natural(max(0, math.ceil(bottom)), math.floor(top) - 1)
    options += [f"({option}) {FRACTION}" for option in steps]
    steps = _natural(max(0, math.ceil(-top)), math.floor(-bottom) - 1)
    options += [f'"-" ({option}) {FRACTION}' for option in steps]
    if len(options) <= 1:
        options += _fine(bottom, top)
    return _any(options)


def _fine(low: Decimal, high: Decimal) -> list[str]:
    """Numbers with few decimals in a range narrower than one."""
    for places in range(1, FINE + 1):
        scale = Decimal(10) ** places
        first, last = math.ceil(low * scale), math.floor(high * scale)
        values = [value for value in range(first, min(last, first + 1000) + 1) if value % 10]
        if values:
            return [f'"{Decimal(value).scaleb(-places):f}"' for value in values]
    return []


def _signed(first: int, last: int) -> list[str]:
    options = _natural(max(0, first), last)
    if first < 0:
        options += [f'"-" ({option})' for option in _natural(max(1, -last), -first)]
    return options


def _natural(first: int, last: int) -> list[str]:
    """Expressions for the numbers first..last (>= 0), one group for each number of digits."""
    options, low = [], first
    while low <= last:
        high = min(last, 10 ** len(str(low)) - 1)
        options += _same_length(str(low), str(high))
        low = high + 1
    return options


def _same_length(low: str, high: str) -> list[str]:
    if low == high:
        return [f'"{low}"']
    if len(low) == 1:
        return [f"[{low}-{high}]"]
    rest = len(low) - 1
    zeros, nines = "0" * rest, "9" * rest
    if low[0] == high[0]:
        return [f'"{low[0]}" ({_any(_same_length(low[1:], high[1:]))})']
    options = []
    first, last = int(low[0]), int(high[0])
    if low[1:] != zeros:
        options.append(f'"{first}" ({_any(_same_length(low[1:], nines))})')
        first += 1
    if high[1:] != nines:
        options.append(f'"{last}" ({_any(_same_length(zeros, high[1:]))})')
        last -= 1
    if first <= last:
        options.append(f"[{first}-{last}] [0-9]{{{rest}}}")
    return options


def _any(options: list[str]) -> str | None:
    return " | ".join(options) or None
