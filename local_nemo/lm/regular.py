"""Regular expressions as trees, and as automata in which the next character decides (subset construction).

`regular_rules.py` writes them as rules of a grammar.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

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
Label = tuple[int, int] | str  # a range of characters, or the name of a rule


@dataclass(frozen=True)
class State:
    """One state: whether the text may end here, and for each next state what leads there."""

    accepts: bool
    edges: tuple[tuple[tuple[Label, ...], int], ...]


def words(texts: Iterable[str]) -> Regular:
    """One of these texts."""
    return Either(tuple(Word(text) for text in texts))


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


def open_places(regular: Regular) -> int:
    """How many states let nearly any character follow: each costs the engine time when a grammar is prepared."""
    return sum(
        any(not isinstance(label, str) and label[1] > 0xFFFF for labels, _ in state.edges for label in labels)
        for state in automaton(regular)
    )


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
