"""Shapes as a grammar in xgrammar's EBNF, which writes JSON exactly as `json.dumps` does.

Texts have no upper length in it; `ebnf_rest` cuts those that became too long.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from .regular import Either as OneOf
from .regular import Regular, Sequence, Word, words
from .regular_rules import literal, rules_of, rules_of_texts
from .shapes import Array, Either, Map, Number, Object, Property, Shape, Text, Words

CHARACTER = r"[^\"\\\x00-\x1f]"


class Grammar:
    """Collects rules; equal shapes share one. The shapes must live as long as this object."""

    def __init__(self) -> None:
        self._rules: dict[str, str] = {}
        self._names: dict[object, str] = {}
        self._bodies: dict[str, str] = {}

    def text(self, root: str) -> str:
        """The whole grammar, beginning with the expression `root`."""
        rules = [f"root ::= {root}", *(f"{name} ::= {body}" for name, body in self._rules.items())]
        return "\n".join(rules) + "\n"

    def value(self, shape: Shape) -> str:
        """The expression for a value of this shape (the name of a rule)."""
        if shape not in self._names:
            body = self._body(shape)
            if body not in self._bodies:
                self._bodies[body] = f"v{len(self._bodies)}"
                self._rules[self._bodies[body]] = body
            self._names[shape] = self._bodies[body]
        return self._names[shape]

    def regular(self, regular: Regular) -> str:
        """The expression for a regular expression."""
        return self._with(rules_of(regular, f"r{len(self._rules)}"))

    def texts(self, texts: Iterable[str]) -> str:
        """The expression for one of these texts."""
        return self._with(rules_of_texts(texts, f"r{len(self._rules)}"))

    def _with(self, made: tuple[str, dict[str, str]]) -> str:
        expression, rules = made
        self._rules |= rules
        return expression

    def members(self, properties: tuple[Property, ...], index: int, begun: bool) -> str:
        """The expression for the properties from `index` on; `begun`: one is already written."""
        for at in range(len(properties) - 1, index - 1, -1):  # from the end: long objects must not recurse
            for already in (True, False):
                self._member(properties, at, already)
        return self._member(properties, index, begun)

    def _member(self, properties: tuple[Property, ...], index: int, begun: bool) -> str:
        if index == len(properties):
            return '""'
        key = (id(properties), index, begun)
        if key not in self._names:
            one = properties[index]
            head = literal(f"{', ' if begun else ''}{json.dumps(one.name, ensure_ascii=False)}: ")
            body = f"{head} {self.value(one.shape)} {self._member(properties, index + 1, True)}"
            skip = "" if one.required else f" | {self._member(properties, index + 1, begun)}"
            name = self._names[key] = f"m{len(self._names)}"
            self._rules[name] = body + skip
        return self._names[key]

    def more(self, item: str, least: int, most: int) -> str:
        """The expression for `least` to `most` further items, each after a comma."""
        return f'(", " {item}){{{max(0, least)},{most}}}' if most > 0 else '""'

    def _body(self, shape: Shape) -> str:
        match shape:
            case Words(texts):
                return self.texts(texts)
            case Text(shortest, _, None):
                return (
                    f'"\\"" {self._character()}{{{shortest}}} {self._character()}* "\\""' if shortest else self._open()
                )
            case Text() | Number() if (expression := _regular(shape)) is not None:
                return self.regular(expression)
            case Array(item, least, most, first):
                return self._array(item, least, most, first)
            case Object(properties):
                return f'"{{" {self.members(properties, 0, False)} "}}"' if properties else '"{}"'
            case Map(value, least, most):
                return self._map(value, least, most)
            case Either(options):
                return self._either(options)
        raise TypeError(f"{shape!r} is no shape")

    def _open(self) -> str:
        return f'"\\"" {self._character()}* "\\""'

    def _character(self) -> str:
        self._rules["character"] = f'{CHARACTER} | "\\\\" [\\"\\\\/bfnrt]'
        return "character"

    def _array(self, item: Shape | None, least: int, most: int, first: tuple[Shape, ...]) -> str:
        shapes = [*first, *([item] if item is not None and len(first) < most else [])]
        if not shapes or most == 0:
            return '"[]"'
        further = self.value(item) if item is not None else '""'
        rest = self.more(further, least - len(first), most - len(first)) if item is not None else '""'
        if not first:
            full = f"{further} {self.more(further, least - 1, most - 1)}"
            return f'"[" {full} "]"' if least else f'"[" ({full})? "]"'
        for length in range(len(first), 0, -1):  # from the end: each item may be the last if there are enough
            rest = f"{self.value(first[length - 1])} {rest}"
            if length > 1:
                rest = f'", " {rest}' if length - 1 < least else f'(", " {rest})?'
        return f'"[" {rest} "]"' if least else f'"[" ({rest})? "]"'

    def _either(self, options: tuple[Shape, ...]) -> str:
        """Regular options are one expression: the library mixes short rules that begin alike."""
        expressions = {option: found for option in options if (found := _regular(option)) is not None}
        plain = tuple(expressions)
        if plain and plain not in self._names:
            self._names[plain] = self.regular(OneOf(tuple(expressions.values())))
        others = dict.fromkeys(self.value(option) for option in options if option not in plain)
        return " | ".join([*([self._names[plain]] if plain else []), *others])

    def _map(self, value: Shape, least: int, most: int) -> str:
        entry = f'{self.value(Text())} ": " {self.value(value)}'
        full = f"{entry} {self.more(entry, least - 1, most - 1)}"
        return f'"{{" {full} "}}"' if least else f'"{{" ({full})? "}}"'


def _regular(shape: Shape) -> Regular | None:
    """The shape as a regular expression, if it is one."""
    match shape:
        case Words(texts):
            return words(texts)
        case Number(expression):
            return expression
        case Text(_, _, pattern) if pattern is not None:
            return Sequence((Word('"'), pattern, Word('"')))
        case Object(()):
            return Word("{}")
        case Array() if shape.most == 0 or not shape.first and shape.item is None:
            return Word("[]")
    return None
