"""What a JSON text may look like, as a small finite tree: the common ground of schema reading and grammar writing.

A shape describes JSON as `json.dumps` writes it (", " and ": " as separators), the form the model is trained on.
Everything is bounded but the length of texts, which `watch.py` bounds while they are written.
"""

from __future__ import annotations

from dataclasses import dataclass

from .regular import Regular


@dataclass(frozen=True)
class Words:
    """One of these JSON texts: enum, const, booleans, null."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Text:
    """A JSON string. `pattern` describes its characters; `longest` None leaves the length open."""

    shortest: int = 0
    longest: int | None = None
    pattern: Regular | None = None


@dataclass(frozen=True)
class Number:
    """A number that is written as `expression` says."""

    expression: Regular


@dataclass(frozen=True)
class Array:
    """`first` items in order, then `least` to `most` items in all; `item` None allows no more than the first."""

    item: Shape | None
    least: int
    most: int
    first: tuple[Shape, ...] = ()


@dataclass(frozen=True)
class Property:
    name: str
    shape: Shape
    required: bool


@dataclass(frozen=True)
class Object:
    """Properties in this order, the optional ones may be left out."""

    properties: tuple[Property, ...]


@dataclass(frozen=True)
class Map:
    """An object with any names; `least` to `most` of them."""

    value: Shape
    least: int
    most: int


@dataclass(frozen=True)
class Either:
    options: tuple[Shape, ...]


def text_limits(shape: Shape) -> set[int]:
    """The longest lengths that strings in this shape may have, where they have one."""
    match shape:
        case Text(_, longest, _):
            return set() if longest is None else {longest}
        case Array(item, _, _, first):
            return set().union(*(text_limits(one) for one in (*first, *([item] if item else []))))
        case Object(properties):
            return set().union(*(text_limits(one.shape) for one in properties))
        case Map(value, _, _):
            return text_limits(value)
        case Either(options):
            return set().union(*(text_limits(one) for one in options))
    return set()


Shape = Words | Text | Number | Array | Object | Map | Either
