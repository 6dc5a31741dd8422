"""Regular expressions for numbers between two bounds.

An expression knows digits, not sizes, so a range is split by its leading digits. Where bounds make the exact set too
fine, it allows less than the schema, never more.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache

from .regular import Chars, Either, Regular, Repeat, Sequence, Word, words

DIGITS = 15  # more cannot be told apart in a double
FINE = 3  # decimals tried when a range holds no whole step


def between(low: str, high: str) -> Chars:
    """A character from `low` to `high`."""
    return Chars(((ord(low), ord(high)),))


DIGIT = between("0", "9")
MINUS = Word("-")
INTEGER = Sequence(
    (Repeat(MINUS, 0, 1), Either((Word("0"), Sequence((between("1", "9"), Repeat(DIGIT, 0, DIGITS - 1))))))
)
FRACTION = Sequence((Word("."), Repeat(DIGIT, 1, DIGITS)))
EXPONENT = Sequence((words("eE"), Repeat(words("+-"), 0, 1), Repeat(DIGIT, 1, 2)))
NUMBER = Sequence((INTEGER, Repeat(FRACTION, 0, 1), Repeat(EXPONENT, 0, 1)))


@lru_cache(maxsize=1024)
def integers(low: Decimal | None, high: Decimal | None) -> Regular | None:
    """An expression for the integers from `low` to `high` (None is open), or None if there is none."""
    if low is None and high is None:
        return INTEGER
    limit = 10**DIGITS - 1
    first = -limit if low is None else max(-limit, int(low.to_integral_value(ROUND_CEILING)))
    last = limit if high is None else min(limit, int(high.to_integral_value(ROUND_FLOOR)))
    return _any(_signed(_natural(max(0, first), last), _natural(max(1, -last), -first)))


@lru_cache(maxsize=1024)
def numbers(low: Decimal | None, high: Decimal | None) -> Regular | None:
    """An expression for numbers from `low` to `high`, with or without decimals, or None if it finds none."""
    if low is None and high is None:
        return NUMBER
    limit = Decimal(10) ** (DIGITS - 1)
    bottom, top = -limit if low is None else low, limit if high is None else high
    # n.fff lies in [n, n + 1), -n.fff in (-n - 1, -n]
    above = _natural(max(0, math.ceil(bottom)), math.floor(top) - 1)
    below = _natural(max(0, math.ceil(-top)), math.floor(-bottom) - 1)
    steps = _any(_signed(above, below))
    whole = integers(low, high)
    if steps is None:
        return _any([*([whole] if whole else []), *_fine(bottom, top)])
    return _any([*([whole] if whole else []), Sequence((steps, FRACTION))])


def _fine(low: Decimal, high: Decimal) -> list[Regular]:
    """Numbers with few decimals in a range narrower than one."""
    for places in range(1, FINE + 1):
        scale = Decimal(10) ** places
        first, last = math.ceil(low * scale), math.floor(high * scale)
        values = [value for value in range(first, min(last, first + 1000) + 1) if value % 10]
        if values:
            return [Word(f"{Decimal(value).scaleb(-places):f}") for value in values]
    return []


def _signed(positive: list[Regular], negative: list[Regular]) -> list[Regular]:
    return [*positive, *(Sequence((MINUS, one)) for one in negative)]


def _natural(first: int, last: int) -> list[Regular]:
    """Expressions for the numbers first..last (>= 0), one group for each number of digits."""
    options: list[Regular] = []
    low = first
    while low <= last:
        high = min(last, 10 ** len(str(low)) - 1)
        options += _same_length(str(low), str(high))
        low = high + 1
    return options


def _same_length(low: str, high: str) -> list[Regular]:
    if low == high:
        return [Word(low)]
    if len(low) == 1:
        return [between(low, high)]
    rest = len(low) - 1
    zeros, nines = "0" * rest, "9" * rest
    if low[0] == high[0]:
        return [_led(low[0], _same_length(low[1:], high[1:]))]
    options: list[Regular] = []
    first, last = int(low[0]), int(high[0])
    if low[1:] != zeros:
        options.append(_led(str(first), _same_length(low[1:], nines)))
        first += 1
    if high[1:] != nines:
        options.append(_led(str(last), _same_length(zeros, high[1:])))
        last -= 1
    if first <= last:
        options.append(Sequence((between(str(first), str(last)), Repeat(DIGIT, rest, rest))))
    return options


def _led(digit: str, options: list[Regular]) -> Regular:
    return Sequence((Word(digit), Either(tuple(options))))


def _any(options: list[Regular]) -> Regular | None:
    return Either(tuple(options)) if options else None
