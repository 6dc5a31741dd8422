"""From JSON Schema to a `Shape`: what an argument object may look like, bounded and finite.

The shape allows nothing that the schema forbids; it may allow less (no further properties, arrays up to
`LONGEST_ARRAY`, recursion to some depth). What it cannot promise (`not`, `if`, `contains`, ...) is refused by name, as
are schemas that are malformed, too large or that nothing can satisfy. Annotations such as `format` are read past, as
JSON Schema says.
"""

from __future__ import annotations

import json
from typing import Any

from .errors import GrammarRefused
from .number_ranges import NUMBER
from .regular import open_places
from .schema_apart import apart
from .schema_merge import merged
from .schema_numbers import Impossible, read_count, read_number
from .schema_references import References
from .schema_values import read_list, read_text, read_words
from .shapes import Array, Either, Map, Number, Object, Property, Shape, Text, Words

MAX_BYTES = 200_000
MAX_NODES = 3000
MAX_DEPTH = 30
MAX_SECONDS = 1.0  # what preparing a grammar may take, estimated from:
NODE_SECONDS = 2e-4
ENUM_SECONDS = 2e-4
OPTIONAL_SECONDS = 2.4e-6  # for each pair of optional properties of one object
OPEN_SECONDS = 0.03  # for each place in a pattern where nearly any character may follow
LONGEST_ARRAY = 64
RECURSIONS = (4, 2, 1, 0)  # how often a reference may appear inside itself; the most that fits
FREE_DEPTH = 3  # of values that the schema leaves open
TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
REFUSED = (
    "not", "if", "then", "else", "contains", "propertyNames", "patternProperties", "dependentRequired", "dependencies",
    "dependentSchemas", "unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef",
)  # fmt: skip


class _TooLarge(Exception):
    pass


def read_schema(schema: Any, where: str = "schema") -> tuple[Shape, float]:
    """Return the shape of what satisfies `schema`, and the seconds that preparing its grammar may take.

    Raises GrammarRefused saying what, where and why.
    """
    try:
        size = len(json.dumps(schema, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise GrammarRefused(f"{where} is no JSON: {error}") from error
    if size > MAX_BYTES:
        raise GrammarRefused(f"{where} has {size} characters; up to {MAX_BYTES} can guide an answer.")
    for recursions in RECURSIONS:
        try:
            reader = _Reader(schema, recursions)
            return reader.shape(schema, where, 0), reader.seconds
        except _TooLarge:
            continue
        except Impossible as error:
            raise GrammarRefused(f"Nothing can satisfy {error}.") from error
        except (TypeError, AttributeError, ValueError) as error:  # a keyword's value of a wrong kind
            raise GrammarRefused(f"{where} is malformed: {error}") from error
    raise GrammarRefused(
        f"{where} is too large to guide an answer: more than {MAX_NODES} parts or {MAX_DEPTH} levels, or so much to "
        f"choose from or to count that preparing it would take over {MAX_SECONDS:.0f} s."
    )


class _Reader:
    def __init__(self, root: Any, recursions: int) -> None:
        self._references, self._recursions = References(root), recursions
        self._open: list[str] = []  # references that are being followed
        self._nodes = 0
        self.seconds = 0.0

    def shape(self, schema: Any, where: str, depth: int) -> Shape:
        self._nodes += 1
        self._spend(NODE_SECONDS)
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            raise _TooLarge
        if schema is True or schema == {}:
            return self._free(FREE_DEPTH)
        if schema is False:
            raise Impossible(f"{where}: it is false")
        if not isinstance(schema, dict):
            raise GrammarRefused(f"{where} is {schema!r}; a JSON Schema is an object.")
        if used := [key for key in REFUSED if key in schema]:
            raise GrammarRefused(f"{where} uses {used[0]!r}, which cannot guide an answer.")
        if "$ref" in schema:
            return self._reference(schema, where, depth)
        if "allOf" in schema:
            parts = [self._references.resolved(part, where) for part in read_list(schema, "allOf", where)]
            rest = {key: value for key, value in schema.items() if key != "allOf"}
            return self.shape(merged([rest, *parts], where), where, depth + 1)
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return self._alternatives(schema, key, where, depth)
        return self._typed(schema, where, depth)

    def _spend(self, seconds: float) -> None:
        self.seconds += seconds
        if self.seconds > MAX_SECONDS:
            raise _TooLarge

    def _typed(self, schema: dict, where: str, depth: int) -> Shape:
        if "const" in schema or "enum" in schema:
            words = read_words(schema, where)
            self._spend(ENUM_SECONDS * len(schema.get("enum", ())))
            return words
        kinds = schema.get("type", _implied(schema))
        kinds = kinds if isinstance(kinds, list) else [kinds]
        for kind in kinds:
            if kind not in (*TYPES, "any"):
                raise GrammarRefused(f"{where} has the type {kind!r}; JSON Schema knows {', '.join(TYPES)}.")
        if schema.get("nullable") is True and "null" not in kinds:
            kinds = [*kinds, "null"]
        return self._either([lambda kind=kind: self._one(kind, schema, where, depth) for kind in kinds], where)

    def _one(self, kind: str, schema: dict, where: str, depth: int) -> Shape:
        match kind:
            case "object":
                return self._object(schema, where, depth)
            case "array":
                return self._array(schema, where, depth)
            case "string":
                text = read_text(schema, where)
                self._spend(OPEN_SECONDS * open_places(text.pattern) if text.pattern else 0)
                return text
            case "integer" | "number":
                return read_number(kind, schema, where)
            case "boolean":
                return Words(("true", "false"))
            case "null":
                return Words(("null",))
        return self._free(FREE_DEPTH)

    def _object(self, schema: dict, where: str, depth: int) -> Shape:
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        if not isinstance(properties, dict) or not _strings(required):
            raise GrammarRefused(f"{where}: properties is an object of schemas and required a list of names.")
        extra = schema.get("additionalProperties", True)
        least, most = read_count(schema, "minProperties", 0, where), read_count(schema, "maxProperties", None, where)
        if not properties and not required:
            return self._map(schema, extra, least, most, where, depth)
        if missing := [name for name in required if name not in properties]:
            if extra is False:
                raise Impossible(f"{where}: {missing[0]!r} is required but no property, and no others are allowed")
            properties = properties | dict.fromkeys(missing, extra)
        shapes: list[Property] = []
        for name, part in properties.items():
            try:
                shape = self.shape(part, f"{where}.{name}", depth + 1)
            except Impossible:
                if name in required:
                    raise
                continue  # it may not be there, then
            shapes.append(Property(name, shape, name in required))
        self._spend(OPTIONAL_SECONDS * sum(not one.required for one in shapes) ** 2)
        return Object(_counted(shapes, least, most, where))

    def _map(self, schema: dict, extra: Any, least: int, most: int | None, where: str, depth: int) -> Shape:
        if extra is False or most == 0 or "properties" in schema and "additionalProperties" not in schema:
            if least:
                raise Impossible(f"{where}: it needs {least} properties but may have none")
            return Object(())
        value = self._free(FREE_DEPTH - 1) if extra is True else self.shape(extra, f"{where}.*", depth + 1)
        return Map(value, least, min(LONGEST_ARRAY, LONGEST_ARRAY if most is None else most))

    def _array(self, schema: dict, where: str, depth: int) -> Shape:
        items, first = schema.get("items", True), schema.get("prefixItems", [])
        if isinstance(items, list):  # the form before 2020
            items, first = schema.get("additionalItems", True), items
        least, most = read_count(schema, "minItems", 0, where), read_count(schema, "maxItems", None, where)
        if len(first) > LONGEST_ARRAY:
            raise _TooLarge
        shapes = [self.shape(part, f"{where}[{i}]", depth + 1) for i, part in enumerate(first)]
        try:
            item = None if items is False else self.shape(items, f"{where}[]", depth + 1)
        except Impossible:
            item = None
        most = LONGEST_ARRAY if most is None else most
        if item is None:
            most = min(most, len(shapes))
        if schema.get("uniqueItems") is True:
            most = min(most, max(1, least))  # two items could be equal
            if least > 1:
                raise GrammarRefused(f"{where} wants {least} different items; a grammar cannot compare them.")
        if least > most or least > LONGEST_ARRAY:
            raise Impossible(f"{where}: it needs {least} items but may have {min(most, LONGEST_ARRAY)}")
        return Array(item, least, min(most, max(LONGEST_ARRAY, least)), tuple(shapes[:most]))

    def _alternatives(self, schema: dict, key: str, where: str, depth: int) -> Shape:
        options = [self._references.resolved(option, where) for option in read_list(schema, key, where)]
        if key == "oneOf" and not apart(options):
            raise GrammarRefused(f"{where} uses oneOf with alternatives that may overlap; use anyOf.")
        rest = {name: value for name, value in schema.items() if name != key}

        def read(option: Any) -> Shape:
            return self.shape(merged([rest, option], where), where, depth + 1)

        return self._either([lambda option=option: read(option) for option in options], where)

    def _either(self, readers: list, where: str) -> Shape:
        shapes, reason = [], None
        for read in readers:
            try:
                shapes.append(read())
            except Impossible as error:
                reason = error
        if not shapes:
            raise reason or Impossible(f"{where}: it has no alternatives")
        shapes = list(dict.fromkeys(shapes))
        return shapes[0] if len(shapes) == 1 else Either(tuple(shapes))

    def _reference(self, schema: dict, where: str, depth: int) -> Shape:
        pointer = schema["$ref"]
        if self._open.count(pointer) > self._recursions:
            raise Impossible(f"{where}: it contains itself without end")
        target = self._references.target(pointer, where)
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        self._open.append(pointer)
        try:
            return self.shape(merged([rest, target], where) if _constrains(rest) else target, where, depth + 1)
        finally:
            self._open.pop()

    def _free(self, depth: int) -> Shape:
        """Any value, nested up to `depth`."""
        plain: tuple[Shape, ...] = (Text(), Number(NUMBER), Words(("true", "false", "null")))
        if depth <= 0:
            return Either(plain)
        inner = self._free(depth - 1)
        return Either((*plain, Array(inner, 0, LONGEST_ARRAY), Map(inner, 0, LONGEST_ARRAY)))


def _implied(schema: dict) -> str:
    """The type that a schema without one is about."""
    hints = {
        "object": ("properties", "required", "additionalProperties"),
        "array": ("items", "prefixItems", "minItems", "maxItems"),
        "string": ("minLength", "maxLength", "pattern"),
        "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    }
    return next((kind for kind, keys in hints.items() if any(key in schema for key in keys)), "any")


def _counted(shapes: list[Property], least: int, most: int | None, where: str) -> tuple[Property, ...]:
    """Properties so chosen that their number lies between minProperties and maxProperties."""
    needed = [one for one in shapes if one.required]
    if most is not None and len(shapes) > most:
        if len(needed) > most:
            raise Impossible(f"{where}: {len(needed)} properties are required and {most} allowed")
        spare = most - len(needed)
        optional = [one for one in shapes if not one.required][:spare]
        shapes = [one for one in shapes if one.required or one in optional]
    if least > len(shapes):
        raise Impossible(f"{where}: it needs {least} properties and has {len(shapes)}")
    missing = least - len(needed)
    chosen = []
    for one in shapes:
        if not one.required and missing > 0:
            one, missing = Property(one.name, one.shape, True), missing - 1
        chosen.append(one)
    return tuple(chosen)


def _constrains(rest: dict) -> bool:
    return any(key not in ("description", "title", "default", "examples", "$defs", "definitions") for key in rest)


def _strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
