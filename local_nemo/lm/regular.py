"""Regular expressions as a tree, and as grammar rules in which the next character decides.

xgrammar (the release inside the engine) merges states of an automaton wrongly where two alternatives of one rule begin
alike: numbers grew beyond their last digit, enum values were mixed (mlc-ai/xgrammar#618). So alternatives are worked
out here (subset construction) and written as rules whose alternatives never begin with the same character.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from os.path import commonprefix

from .errors import GrammarRefused

MAX_STATES = 20_000
MAX_BRANCHING = 2000  # states that are more than one place of the expression at once


@dataclass(frozen=True, eq=False)
class Word:
    """Exactly this text."""

    text: str


@dataclass(frozen=True, eq=False)
class Chars:
    """One character in one of these ranges (both ends included)."""

    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Named:
    """What a rule of the grammar describes; it may overlap with anything."""

    rule: str


@dataclass(frozen=True, eq=False)
class Sequence:
    items: tuple[Regular, ...]


@dataclass(frozen=True, eq=False)
class Either:
    options: tuple[Regular, ...]


@dataclass(frozen=True, eq=False)
class Repeat:
    """`least` to `most` times; None is without end."""

    item: Regular
    least: int
    most: int | None


Regular = Word | Chars | Named | Sequence | Either | Repeat
WIDE = re.compile(r"""["\[](\\[uU]0*[1-9a-f][0-9a-f]{2}|\\u00[89a-f]|[^\x00-\x7f])""")  # begins beyond ASCII
Label = tuple[int, int] | str  # a range of characters, or the name of a rule


@dataclass(frozen=True)
class State:
    """One state: whether the text may end here, and for each next state what leads there."""

    accepts: bool
    edges: tuple[tuple[tuple[Label, ...], int], ...]


def words(texts: Iterable[str]) -> Regular:
    """One of these texts."""
    return Either(tuple(Word(text) for text in texts))


def literal(text: str) -> str:
    """Exactly this text, as an expression of a grammar."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\u{ord(found[0]):04x}", escaped) + '"'


@lru_cache(maxsize=64)
def automaton(regular: Regular) -> tuple[State, ...]:
    """The deterministic automaton, beginning with state 0. Raises GrammarRefused if it is too large."""
    places = _Places()
    end = places.add(regular, 0)
    first = places.closure((0,))
    numbers, order, states, branching = {first: 0}, [first], [], 0
    for here in order:  # grows while states are found
        branching += len(here) > 1
        if branching > MAX_BRANCHING:
            raise GrammarRefused("The expression has too many alternatives at once to guide an answer.")
        edges: dict[int, list[Label]] = {}
        for label, reached in _steps(here, places):
            target = places.closure(reached)
            if target not in numbers:
                numbers[target] = len(order)
                order.append(target)
            edges.setdefault(numbers[target], []).append(label)
        states.append(State(end in here, tuple((tuple(labels), target) for target, labels in edges.items())))
    return tuple(states)


def rules_of_texts(texts: Iterable[str], prefix: str) -> tuple[str, dict[str, str]]:
    """For one of many texts: the expression that begins, and its rules. A tree, so they stay as long as the texts."""
    rules: dict[str, str] = {}
    waiting = [("", sorted(set(texts)))]
    for name, group in waiting:  # grows while beginnings are found that several texts share
        options = ['""'] if "" in group else []
        for _, sharing in groupby((text for text in group if text), key=itemgetter(0)):
            alike = list(sharing)
            begin = commonprefix(alike)
            options.append(literal(begin))
            if len(alike) > 1:
                waiting.append((f"{prefix}_{len(waiting)}", [text[len(begin) :] for text in alike]))
                options[-1] += " " + waiting[-1][0]
        rules[name] = _alternatives(options, rules, f"{prefix}_{name}")
    return rules.pop(""), rules


def rules_of(regular: Regular, prefix: str) -> tuple[str, dict[str, str]]:
    """The expression that begins, and the rules that it needs; their names begin with `prefix`."""
    states = automaton(regular)
    rules: dict[str, str] = {}
    waiting = [0]

    def follow(target: int) -> list[str]:
        """What comes after reaching a state: a chain is written out, everything else is a rule of its own."""
        parts: list[str] = []
        while not states[target].accepts and len(states[target].edges) == 1:
            labels, after = states[target].edges[0]
            options = _expressions(labels)
            if len(options) > 1:
                break
            parts, target = [*parts, *options], after
        if states[target].edges:
            waiting.append(target)
            parts.append(f"{prefix}_{target}")
        return parts

    while waiting:
        number = waiting.pop()
        if (name := f"{prefix}_{number}") not in rules:
            options = ['""'] if states[number].accepts else []
            for labels, target in states[number].edges:
                options += [_joined([one, *follow(target)]) for one in _expressions(labels)]
            rules[name] = _alternatives(options, rules, name)
    return f"{prefix}_0", rules


def _alternatives(options: list[str], rules: dict[str, str], name: str) -> str:
    """Alternatives of one rule. Characters of several bytes may begin alike: such alternatives get rules of their own.

    A rule that names another one is left alone by the library; `nothing` is there to be named.
    """
    wide = [number for number, option in enumerate(options) if WIDE.match(option)]
    for number in wide if len(wide) > 1 else ():
        rules[f"{name}_{number}"] = options[number] + " nothing"
        rules["nothing"] = '""'
        options[number] = f"{name}_{number}"
    return " | ".join(options)


def _expressions(labels: tuple[Label, ...]) -> list[str]:
    """One alternative for all ASCII characters, one for each other range, and one for each named rule."""
    found = [label for label in labels if isinstance(label, str)]
    ranges = [label for label in labels if not isinstance(label, str)]
    found += [_class([(max(low, 0x80), high)]) for low, high in ranges if high > 0x7F]
    ascii_part = [(low, min(high, 0x7F)) for low, high in ranges if low <= 0x7F]
    return [_class(ascii_part), *found] if ascii_part else found


def _class(ranges: list[tuple[int, int]]) -> str:
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return literal(chr(ranges[0][0]))
    return "[" + "".join(_char(low) if low == high else f"{_char(low)}-{_char(high)}" for low, high in ranges) + "]"


def _char(code: int) -> str:
    if chr(code).isascii() and chr(code).isalnum():
        return chr(code)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _joined(parts: list[str]) -> str:
    """Expressions one after the other, neighbouring texts as one."""
    joined: list[str] = []
    for part in parts:
        if joined and part[0] == joined[-1][0] == '"':
            joined[-1] = joined[-1][:-1] + part[1:]
        else:
            joined.append(part)
    return " ".join(joined)


def _steps(here: frozenset[int], places: _Places) -> list[tuple[Label, tuple[int, ...]]]:
    """What may come next, cut so that no two ranges overlap: each with the places that it leads to."""
    edges = [edge for place in here for edge in places.edges[place]]
    named = [(label, (target,)) for label, target in edges if isinstance(label, str)]
    ranges = [(label, target) for label, target in edges if not isinstance(label, str)]
    cuts = sorted({bound for (low, high), _ in ranges for bound in (low, high + 1)})
    reached: list[set[int]] = [set() for _ in cuts]
    for (low, high), target in ranges:
        for index in range(bisect_left(cuts, low), bisect_left(cuts, high + 1)):
            reached[index].add(target)
    return [
        *(((cuts[index], cuts[index + 1] - 1), tuple(targets)) for index, targets in enumerate(reached) if targets),
        *named,
    ]


class _Places:
    """The places of an expression: what may come next at each, and which are the same place."""

    def __init__(self) -> None:
        self.edges: list[list[tuple[Label, int]]] = []
        self._same: list[list[int]] = []
        self._new()

    def _new(self) -> int:
        if len(self.edges) >= MAX_STATES:
            raise GrammarRefused(f"The expression has more than {MAX_STATES} places; it cannot guide an answer.")
        self.edges.append([])
        self._same.append([])
        return len(self.edges) - 1

    def closure(self, places: Iterable[int]) -> frozenset[int]:
        found, waiting = set(places), list(places)
        while waiting:
            for other in self._same[waiting.pop()]:
                if other not in found:
                    found.add(other)
                    waiting.append(other)
        return frozenset(found)

    def add(self, regular: Regular, at: int) -> int:
        """Add an expression that begins at a place; returns where it ends."""
        match regular:
            case Word(text):
                for character in text:
                    at = self._edge(at, (ord(character), ord(character)))
            case Chars(ranges):
                start, at = at, self._new()
                self.edges[start] += [(one, at) for one in ranges]
            case Named(rule):
                at = self._edge(at, rule)
            case Sequence(items):
                for item in items:
                    at = self.add(item, at)
            case Either(options):
                at = self._either(options, at)
            case Repeat(item, least, most):
                at = self._repeat(item, least, most, at)
        return at

    def _edge(self, at: int, label: Label) -> int:
        target = self._new()
        self.edges[at].append((label, target))
        return target

    def _either(self, options: tuple[Regular, ...], at: int) -> int:
        end = self._new()
        tree: dict[tuple[int, str], int] = {}  # texts share their beginnings
        root = self._new()
        self._same[at].append(root)
        for option in options:
            if isinstance(option, Word):
                place = root
                for character in option.text:
                    if (place, character) not in tree:
                        tree[place, character] = self._edge(place, (ord(character), ord(character)))
                    place = tree[place, character]
            else:
                begin = self._new()
                self._same[at].append(begin)
                place = self.add(option, begin)
            self._same[place].append(end)
        return end

    def _repeat(self, item: Regular, least: int, most: int | None, at: int) -> int:
        for _ in range(least):
            at = self.add(item, at)
        if most is None:
            start = self._new()
            self._same[at].append(start)
            self._same[self.add(item, start)].append(start)
            return start
        end = self._new()
        self._same[at].append(end)
        for _ in range(most - least):
            at = self.add(item, at)
            self._same[at].append(end)
        return end
