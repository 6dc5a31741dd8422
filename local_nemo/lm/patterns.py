"""Python's regular expressions as trees, as far as they are regular and small.

Python's own parser reads the expression; look-around, back references and flags are refused, and so is what
would make the grammar large.
"""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from re import _constants as sre  # type: ignore[attr-defined]  # the standard library's parser has no public name
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from .errors import GrammarRefused
from .regular import Chars, Either, Regular, Repeat, Sequence, automaton

MAX_LENGTH = 500  # characters of the expression
MAX_COUNTED = 40  # characters that a grammar may count out
MANY = 10_000
Ranges = list[tuple[int, int]]
CATEGORIES: dict[object, Ranges] = {
    sre.CATEGORY_DIGIT: [(48, 57)],
    sre.CATEGORY_WORD: [(48, 57), (65, 90), (95, 95), (97, 122)],
    sre.CATEGORY_SPACE: [(32, 32)],
}
OPPOSITES = {
    sre.CATEGORY_NOT_DIGIT: sre.CATEGORY_DIGIT,
    sre.CATEGORY_NOT_WORD: sre.CATEGORY_WORD,
    sre.CATEGORY_NOT_SPACE: sre.CATEGORY_SPACE,
}
UNSAFE: Ranges = [(0, 0x1F), (ord('"'), ord('"')), (ord("\\"), ord("\\")), (0xD800, 0xDFFF)]  # not as they are in JSON


@lru_cache(maxsize=256)
def regex_to_regular(pattern: str, *, whole: bool) -> Regular:
    """An expression for the texts that match.

    `whole`: the text must match from end to end (else anywhere). Characters that JSON strings must escape are never
    produced. Raises GrammarRefused.
    """
    if len(pattern) > MAX_LENGTH:
        raise GrammarRefused(f"The regular expression has {len(pattern)} characters; up to {MAX_LENGTH} are possible.")
    try:
        tree = parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise GrammarRefused(f"{pattern!r} is no regular expression: {error}") from error
    if tree.state.flags & ~re.UNICODE.value:
        raise GrammarRefused(f"The regular expression {pattern!r} sets flags; they are not supported.")
    items = list(tree)
    starts = whole or (bool(items) and items[0] == (sre.AT, sre.AT_BEGINNING))
    ends = whole or (bool(items) and items[-1][0] is sre.AT and items[-1][1] in (sre.AT_END, sre.AT_END_STRING))
    items = [item for i, item in enumerate(items) if not (item[0] is sre.AT and i in (0, len(items) - 1))]
    counter = _Counter(pattern)
    anything = Repeat(Chars(tuple(_without(UNSAFE))), 0, None)
    parts = [*([] if starts else [anything]), _sequence(items, counter), *([] if ends else [anything])]
    regular = Sequence(tuple(parts))
    automaton(regular)  # or it is refused, here and now
    return regular


class _Counter:
    """Counts repeated characters, so that no grammar becomes too slow."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.left = pattern, MAX_COUNTED

    def take(self, number: int) -> None:
        self.left -= number
        if self.left < 0:
            raise self.refuse(f"repeats more than {MAX_COUNTED} characters by number")

    def refuse(self, what: str) -> GrammarRefused:
        return GrammarRefused(f"The regular expression {self.pattern!r} {what}; it cannot guide an answer.")


def _sequence(items: list, counter: _Counter) -> Regular:
    return Sequence(tuple(_item(kind, value, counter) for kind, value in items))


def _item(kind: object, value: Any, counter: _Counter) -> Regular:
    if kind is sre.LITERAL:
        return _class([(sre.LITERAL, value)], counter)
    if kind is sre.NOT_LITERAL:
        return _class([(sre.NEGATE, None), (sre.LITERAL, value)], counter)
    if kind is sre.ANY:
        return Chars(tuple(_without(UNSAFE)))
    if kind is sre.IN:
        return _class(value, counter)
    if kind is sre.SUBPATTERN:
        return _sequence(list(value[-1]), counter)
    if kind is sre.BRANCH:
        return Either(tuple(_sequence(list(option), counter) for option in value[1]))
    if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT):
        least, most, tree = value
        return _repeat(least, most, tree, counter)
    raise counter.refuse(f"uses {str(kind).lower()}")


def _repeat(least: int, most: int, tree: Any, counter: _Counter) -> Regular:
    inner = _sequence(list(tree), counter)
    unlimited = most is sre.MAXREPEAT or most >= MANY
    if not (most == 1 or unlimited and least <= 1):
        counter.take((least if unlimited else most) * max(1, len(list(tree))))
    return Repeat(inner, least, None if unlimited else most)


def _class(items: list, counter: _Counter) -> Regular:
    negated = items[0][0] is sre.NEGATE
    found: Ranges = []
    for kind, value in items[1:] if negated else items:
        if kind is sre.LITERAL:
            found.append((value, value))
        elif kind is sre.RANGE:
            found.append(value)
        elif kind is sre.CATEGORY and value in CATEGORIES:
            found += CATEGORIES[value]
        elif kind is sre.CATEGORY and value in OPPOSITES:
            found += _without([*CATEGORIES[OPPOSITES[value]], *UNSAFE])
        else:
            raise counter.refuse("has a character class of an unknown kind")
    outside = found if negated else _without(found)
    safe = _without([*outside, *UNSAFE])
    if not safe:
        raise counter.refuse("needs a character that JSON escapes, or that does not exist")
    return Chars(tuple(safe))


def _without(taken: Ranges) -> Ranges:
    """All characters that are in none of these ranges."""
    free, at = [], 0
    for low, high in sorted(taken):
        if at < low:
            free.append((at, low - 1))
        at = max(at, high + 1)
    return [*free, (at, sys.maxunicode)] if at <= sys.maxunicode else free
