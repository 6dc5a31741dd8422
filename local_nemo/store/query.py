"""List queries: paging, sorting, filtering and searching any kind of entity, from one request's query string.

`?page=2&page_size=50&sort=-created_at&filter[namespace]=ns&filter[peft][lora]=true&filter[created_at][gte]=2025-01-01
&search[name]=llama&search[updated_at][start]=2025-01-01`. Repeats of a key (and commas) mean OR, different keys AND;
`filter` compares, `search` looks for a substring without regard to case. Everything runs inside SQLite.
A bad query, or one that names a field which the kind does not have, raises `BadQuery`, which names the parameter.
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fastapi import Request
from sqlalchemy import ColumnElement, and_, false, func, literal, not_, or_, true
from sqlmodel import Session, select

from local_nemo.store.database import EntityRow

PAGE_SIZE, LARGEST_PAGE, LAST_PAGE = 1000, 10_000, 10**9
MOST_CONDITIONS, LONGEST_VALUE = 64, 4096
COLUMNS = {name: getattr(EntityRow, name) for name in ("namespace", "id", "name", "created_at", "updated_at")}
TIMES = ("created_at", "updated_at")
OPERATORS = {"eq": "__eq__", "neq": "__ne__", "gt": "__gt__", "gte": "__ge__", "lt": "__lt__", "lte": "__le__"}
RANGE = {"start": "__ge__", "end": "__le__"}
SEGMENT = r"[\w.@+/ -]{1,128}"
PARAMETER = re.compile(rf"(filter|search)((?:\[{SEGMENT}(?:\[\])?\]){{1,6}}(?:\[\])?)")


class BadQuery(ValueError):
    """A query parameter that can't be used: `parameter` names it, the text says why."""

    def __init__(self, parameter: str, reason: str) -> None:
        self.parameter = parameter
        super().__init__(reason)


@dataclass(frozen=True)
class ListQuery:
    """Which page of which objects, in which order."""

    page: int = 1
    page_size: int = PAGE_SIZE
    sort: str = "created_at"
    sort_path: str = "created_at"  # where the objects keep it
    filter: dict[str, Any] = field(default_factory=dict)  # as applied, for the echo in the answer
    search: dict[str, Any] = field(default_factory=dict)
    conditions: tuple[ColumnElement[bool], ...] = ()

    @classmethod
    def from_request(
        cls, request: Request, fields: Collection[str], aliases: Mapping[str, str] | None = None
    ) -> "ListQuery":
        """Read the query string. Raises `BadQuery`.

        `fields` are the names that the objects have; below them any path may be asked. `aliases` maps a documented
        key to the dotted path where the object keeps it (`{"epochs": "hyperparameters.epochs"}`); a segment that ends
        in `[]` stands for any element of a list, and a path `peft.finetuning_type=lora` makes the key a yes-or-no
        question.
        """
        return cls.parse(request.query_params.multi_items(), fields, aliases)

    @classmethod
    def parse(
        cls,
        parameters: Sequence[tuple[str, str]],
        fields: Collection[str],
        aliases: Mapping[str, str] | None = None,
    ) -> "ListQuery":
        """The same from (name, value) pairs."""
        plain = dict(parameters)
        known = _Known(fields, aliases or {})
        groups: dict[tuple[str, ...], list[str]] = {}
        for name, value in parameters:
            if name.startswith(("filter", "search")):
                groups.setdefault(_keys(name), []).extend(_values(name, value))
        if len(groups) > MOST_CONDITIONS:
            raise BadQuery("filter", f"at most {MOST_CONDITIONS} filter and search keys")
        echoes: dict[str, dict[str, Any]] = {"filter": {}, "search": {}}
        conditions = []
        for (mode, *path), values in groups.items():
            known.check(mode + "".join(f"[{step}]" for step in path), path)
            _nest(echoes[mode], path, values)
            conditions.append(_condition(mode, path, values, known.aliases))
        return cls(
            page=_number(plain, "page", 1, LAST_PAGE),
            page_size=_number(plain, "page_size", PAGE_SIZE, LARGEST_PAGE),
            sort=(sort := _sort(plain.get("sort") or "created_at", known)),
            sort_path=known.place(sort.removeprefix("-")),
            filter=echoes["filter"],
            search=echoes["search"],
            conditions=tuple(conditions),
        )

    def run(self, session: Session, kind: str) -> tuple[list[dict[str, Any]], int]:
        """The page's objects, and how many there are on all pages."""
        where = (EntityRow.kind == kind, *self.conditions)
        total = session.exec(select(func.count()).select_from(EntityRow).where(*where)).one()
        down, name = self.sort.startswith("-"), self.sort_path
        key = COLUMNS[name] if name in COLUMNS else func.json_extract(EntityRow.data, _path(name.split(".")))
        order = (key.desc(), EntityRow.seq.desc()) if down else (key.asc(), EntityRow.seq.asc())
        chosen = select(EntityRow.data).where(*where).order_by(*order)
        return list(session.exec(chosen.limit(self.page_size).offset((self.page - 1) * self.page_size))), total

    def page_of(self, data: list[dict[str, Any]], total: int) -> dict[str, Any]:
        """The answer of a list endpoint around the objects of this page."""
        echoes = {name: echo for name, echo in (("filter", self.filter), ("search", self.search)) if echo}
        return {
            "object": "list",
            "data": data,
            "pagination": {
                "page": self.page,
                "page_size": self.page_size,
                "current_page_size": len(data),
                "total_pages": math.ceil(total / self.page_size),
                "total_results": total,
            },
            "sort": self.sort,
            **echoes,
        }


def equals(name: str, value: Any) -> ColumnElement[bool]:
    """The condition that a top-level field has this JSON value."""
    if name in COLUMNS:
        return COLUMNS[name] == value
    return func.json_extract(EntityRow.data, _path([name])) == value


def _number(plain: Mapping[str, str], name: str, default: int, largest: int) -> int:
    text = plain.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,10}", text) or not 1 <= int(text) <= largest:
        raise BadQuery(name, f"must be a whole number from 1 to {largest}")
    return int(text)


@dataclass(frozen=True)
class _Known:
    """What a query may name: the fields of a kind and its documented aliases."""

    fields: Collection[str]
    aliases: Mapping[str, str]

    def place(self, key: str) -> str:
        return self.aliases.get(key, key)

    def check(self, parameter: str, path: Sequence[str]) -> None:
        """Raise `BadQuery` for a path that begins with no field and is no alias."""
        first = path[0].removesuffix("[]")
        if first not in COLUMNS and first not in self.fields and ".".join(path) not in self.aliases:
            names = sorted({*COLUMNS, *self.fields, *(key for key in self.aliases if "." not in key)})
            raise BadQuery(parameter[:64], f"there is no field {first[:40]!r} here; supported are {', '.join(names)}")


def _sort(text: str, known: _Known) -> str:
    if not re.fullmatch(r"-?[A-Za-z_]\w{0,63}(\.\w{1,64}){0,5}", text, re.ASCII):
        raise BadQuery("sort", "must be a field name such as 'created_at', with '-' in front for descending order")
    known.check("sort", text.removeprefix("-").split("."))
    return text


def _keys(name: str) -> tuple[str, ...]:
    match = PARAMETER.fullmatch(name)
    if match is None:
        raise BadQuery(name[:64], "write filter[field]=value, filter[field][nested]=value or search[field]=text")
    return match[1], *re.findall(rf"\[({SEGMENT})", match[2])


def _values(name: str, value: str) -> list[str]:
    if len(value) > LONGEST_VALUE or "\0" in value:
        raise BadQuery(name[:64], f"a value holds at most {LONGEST_VALUE} characters and no NUL")
    return list(dict.fromkeys([value, *(part.strip() for part in value.split(","))])) if "," in value else [value]


def _nest(echo: dict[str, Any], path: Sequence[str], values: list[str]) -> None:
    for segment in path[:-1]:
        inner = echo.setdefault(segment, {})
        echo = inner if isinstance(inner, dict) else {}
    echo[path[-1]] = values[0] if len(values) == 1 or "," in values[0] else values


def _condition(mode: str, path: list[str], values: list[str], aliases: Mapping[str, str]) -> ColumnElement[bool]:
    comparison = (OPERATORS if mode == "filter" else RANGE).get(path[-1])
    if comparison and path[0] in TIMES and len(path) == 2:
        column = COLUMNS[path[0]]
        return or_(*(getattr(column, comparison)(_time(f"{mode}[{path[0]}]", value)) for value in values))
    place, is_constant, constant = aliases.get(".".join(path), ".".join(path)).partition("=")
    steps = place.split(".") if ".".join(path) in aliases else path
    if is_constant:  # the key asks yes or no
        found = _at(EntityRow.data, steps, _matches, constant)
        return or_(*(found if value == "true" else func.coalesce(not_(found), true()) for value in values))
    test = _matches if mode == "filter" else _contains
    return or_(*(_at(EntityRow.data, steps, test, value) for value in values))


def _time(parameter: str, text: str) -> str:
    """A time in the form that the columns hold, so that text order is time order."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        raise BadQuery(parameter, f"{text[:40]!r} is not an ISO 8601 date or time") from None
    return moment.isoformat(timespec="microseconds")


def _path(steps: Sequence[str]) -> str:
    return "$" + "".join(f'."{step}"' for step in steps)


def _at(document: Any, steps: Sequence[str], test: Any, value: str) -> ColumnElement[bool]:
    """Apply a test at a path; behind a step `x[]` it must hold for any element of the list `x`."""
    for place, step in enumerate(steps):
        if step.endswith("[]"):
            element = func.json_each(document, _path([*steps[:place], step[:-2]])).table_valued("value")
            found = _at(element.c.value, steps[place + 1 :], test, value)
            return select(literal(1)).select_from(element).where(found).exists()
    return test(document, list(steps), value)


def _matches(document: Any, steps: list[str], value: str) -> ColumnElement[bool]:
    """A field equals the text of a filter; see the module text for what counts as equal."""
    if document is EntityRow.data and len(steps) == 1 and steps[0] in COLUMNS:
        return COLUMNS[steps[0]] == value
    stored = func.json_extract(document, _path(steps)) if steps else document
    kind = func.json_type(document, _path(steps)) if steps else func.typeof(document)
    if value == "true":  # a structured field such as `peft` is "true" when it is there
        return or_(kind.in_(["true", "object", "array"]), stored == "true")
    if value == "false":
        return or_(kind.is_(None), kind.in_(["false", "null"]), stored == "false")
    tests = [stored == value]
    if (number := _as_number(value)) is not None:
        tests.append(and_(kind.in_(["integer", "real"]), stored == number))
    elif steps:
        # A reference is kept as "namespace/name" or as the object itself: either way, name and full name find it.
        part = {name: func.json_extract(document, _path([*steps, name])) for name in ("name", "namespace")}
        named = or_(part["name"] == value, part["namespace"] + "/" + part["name"] == value)
        tests.append(and_(kind == "object", named))
    if len(steps) > 1 and steps[-1] == "name":
        parent = func.json_extract(document, _path(steps[:-1]))
        tests.append(or_(parent == value, parent.endswith("/" + value, autoescape=True)))
    return or_(false(), *tests)


def _contains(document: Any, steps: list[str], value: str) -> ColumnElement[bool]:
    if document is EntityRow.data and len(steps) == 1 and steps[0] in COLUMNS:
        return COLUMNS[steps[0]].icontains(value, autoescape=True)
    return func.json_extract(document, _path(steps)).icontains(value, autoescape=True)


def _as_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
