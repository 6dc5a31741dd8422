"""Regular expressions as grammar expressions, as far as they are regular and small.

Python's own parser reads the expression; look-around, back references and flags are refused, and so is a repetition
that would make the grammar slow to prepare (every counted character may cost 20 ms).
"""

from __future__ import annotations

import re
from re import _constants as sre  # the standard library's parser has no public name
from re import _parser as parser

from .errors import GrammarRefused

MAX_LENGTH = 500  # characters of the expression
MAX_COUNTED = 40  # characters that a grammar may count out
MANY = 10_000
CATEGORIES = {sre.CATEGORY_DIGIT: "0-9", sre.CATEGORY_WORD: "a-zA-Z0-9_", sre.CATEGORY_SPACE: " "}
NOT_CATEGORIES = {sre.CATEGORY_NOT_DIGIT: "0-9", sre.CATEGORY_NOT_WORD: "a-zA-Z0-9_", sre.CATEGORY_NOT_SPACE: " "}
UNSAFE = '"\\\\\\x00-\\x1f'  # what a JSON string cannot hold as it is


def regex_to_grammar(pattern: str, *, whole: bool) -> tuple[str, int]:
    """An expression for the texts that match, and how many characters it counts out.

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
    inner = _sequence(items, counter)
    anything = f"[^{UNSAFE}]*"
    expression = " ".join(["" if starts else anything, inner, "" if ends else anything]).strip()
    return expression, MAX_COUNTED - counter.left


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


def _sequence(items: list, counter: _Counter) -> str:
    return " ".join(_item(kind, value, counter) for kind, value in items) or '""'


def _item(kind: object, value: object, counter: _Counter) -> str:
    if kind is sre.LITERAL:
        return _class([(sre.LITERAL, value)], counter)
    if kind is sre.NOT_LITERAL:
        return _class([(sre.NEGATE, None), (sre.LITERAL, value)], counter)
    if kind is sre.ANY:
        return f"[^{UNSAFE}]"
    if kind is sre.IN:
        return _class(value, counter)
    if kind is sre.SUBPATTERN:
        return f"({_sequence(list(value[-1]), counter)})"
    if kind is sre.BRANCH:
        return "(" + " | ".join(_sequence(list(option), counter) for option in value[1]) + ")"
    if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        return _repeat(*value, counter)
    raise counter.refuse(f"uses {str(kind).lower()}")


def _repeat(least: int, most: int, tree: object, counter: _Counter) -> str:
    inner = _sequence(list(tree), counter)
    unlimited = most is sre.MAXREPEAT or most >= MANY
    if (least, most) == (0, 1):
        return f"({inner})?"
    if unlimited and least <= 1:
        return f"({inner}){'*' if least == 0 else '+'}"
    counter.take((least if unlimited else most) * max(1, len(list(tree))))
    return f"({inner}){{{least},{'' if unlimited else most}}}"


def _class(items: list, counter: _Counter) -> str:
    negated = items[0][0] is sre.NEGATE
    parts = []
    for kind, value in items[1:] if negated else items:
        if kind is sre.LITERAL:
            parts.append(_char(value, counter, negated))
        elif kind is sre.RANGE:
            parts.append(f"{_char(value[0], counter, negated)}-{_char(value[1], counter, negated)}")
        elif kind is sre.CATEGORY and value in CATEGORIES:
            parts.append(CATEGORIES[value])
        elif kind is sre.CATEGORY and value in NOT_CATEGORIES and len(items) == 1:
            return f"[^{NOT_CATEGORIES[value]}{UNSAFE}]"
        else:
            raise counter.refuse("has a character class of an unknown kind")
    inside = "".join(parts)
    return f"[^{inside}{UNSAFE}]" if negated else f"[{inside}]"


def _char(code: int, counter: _Counter, negated: bool) -> str:
    if (code < 0x20 or chr(code) in '"\\') and not negated:
        raise counter.refuse(f"needs the character {chr(code)!r}, which JSON escapes")
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
