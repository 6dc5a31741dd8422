"""What is left of a shape after the beginning of a text: how an answer that ran too long in a string goes on.

Texts have no upper length in the grammar: counting characters would take the library 20 ms for each, so `rest_after`
cuts a text that became too long and gives the grammar for what follows.
"""

from __future__ import annotations

import json
import re

from .ebnf import Grammar
from .shapes import Array, Either, Map, Number, Object, Property, Shape, Text, Words

NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
STRING = re.compile(r'"((?:[^"\\]|\\.)*)(")?', re.DOTALL)


class Open(Exception):
    """The text ends inside a string: its shape, and the expressions for what follows once it is closed."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.rest: list[str] = []


def rest_after(shape: Shape, text: str, grammar: Grammar) -> Open | None:
    """What follows when `text`, a beginning of `shape`, ends inside a string that is now closed.

    Arrays and maps around it close as soon as they may. None if the text does not end inside a cuttable string.
    """
    try:
        _after(shape, text, 0, grammar)
    except Open as found:
        return found
    except ValueError:
        return None
    return None


def _after(shape: Shape, text: str, at: int, grammar: Grammar) -> int:
    """The position after a complete value at `at`. Raises Open at the end of an unfinished text, else ValueError."""
    match shape:
        case Words(texts):
            fitting = [len(one) for one in texts if text.startswith(one, at)]
            return at + max(fitting) if fitting else _no()
        case Text(_, _, pattern):
            found = STRING.match(text, at) or _no()
            if found[2]:
                return found.end()
            if pattern is not None or found.end() < len(text):
                _no()
            raise Open(shape)
        case Number():
            return (NUMBER.match(text, at) or _no()).end()
        case Object(properties):
            return _after_object(properties, text, at, grammar)
        case Array(item, least, _, first):
            return _after_array(item, least, first, text, at, grammar)
        case Map(value, least, _):
            return _after_map(value, least, text, at, grammar)
        case Either(options):
            return _after_either(options, text, at, grammar)
    raise TypeError(f"{shape!r} is no shape")


def _after_object(properties: tuple[Property, ...], text: str, at: int, grammar: Grammar) -> int:
    position, begun = _skip(text, at, "{"), False
    for index, one in enumerate(properties):
        head = f"{', ' if begun else ''}{json.dumps(one.name, ensure_ascii=False)}: "
        if not text.startswith(head, position):
            continue
        try:
            position, begun = _after(one.shape, text, position + len(head), grammar), True
        except Open as found:
            found.rest += [grammar.members(properties, index + 1, True), '"}"']
            raise
    return _skip(text, position, "}")


def _after_array(item: Shape | None, least: int, first: tuple[Shape, ...], text: str, at: int, grammar: Grammar) -> int:
    position, count = _skip(text, at, "["), 0
    while not text.startswith("]", position):
        if count:
            position = _skip(text, position, ", ")
        shape = first[count] if count < len(first) else item if item is not None else _no()
        try:
            position, count = _after(shape, text, position, grammar), count + 1
        except Open as found:
            needed = [grammar.value(one) for one in first[count + 1 : least]]
            found.rest += [f'", " {one}' for one in needed]
            missing = least - count - 1 - len(needed)
            found.rest += [grammar.more(grammar.value(item), missing, missing)] if item is not None else []
            found.rest.append('"]"')
            raise
    return position + 1


def _after_map(value: Shape, least: int, text: str, at: int, grammar: Grammar) -> int:
    position, count = _skip(text, at, "{"), 0
    entry = f'{grammar.value(Text())} ": " {grammar.value(value)}'
    while not text.startswith("}", position):
        if count:
            position = _skip(text, position, ", ")
        try:
            position = _skip(text, _after(Text(), text, position, grammar), ": ")
        except Open as found:
            found.rest += [
                '": "',
                grammar.value(value),
                grammar.more(entry, least - count - 1, least - count - 1),
                '"}"',
            ]
            raise
        try:
            position, count = _after(value, text, position, grammar), count + 1
        except Open as found:
            found.rest += [grammar.more(entry, least - count - 1, least - count - 1), '"}"']
            raise
    return position + 1


def _after_either(options: tuple[Shape, ...], text: str, at: int, grammar: Grammar) -> int:
    for option in options:
        try:
            return _after(option, text, at, grammar)
        except ValueError:
            continue
    return _no()


def _skip(text: str, at: int, expected: str) -> int:
    return at + len(expected) if text.startswith(expected, at) else _no()


def _no():
    raise ValueError("the text has another shape")
