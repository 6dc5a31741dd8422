"""Strategies for input that no client should send, and the settings that bound a generated test."""

import json
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests import faults

PIECES = st.sampled_from(
    ["..", ".", "", "a", "b.txt", "main", "\\", "\0", "\n", "%2e%2e", "ns", "data", "．．", "∕", "x" * 5000]
)
PATHS = st.lists(st.one_of(PIECES, st.text(max_size=20)), max_size=8).map("/".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


def bounded(cases: int) -> settings:
    """So many cases, the same ones each time in CI; no case has a deadline of its own, a busy machine is slow."""
    return settings(
        max_examples=max(1, cases),
        deadline=None,
        derandomize=not faults.SHARE,
        suppress_health_check=list(HealthCheck),
        database=None,
    )


def replaced(body: Any, place: list[str | int], value: Any) -> Any:
    """A copy of a JSON body with the value at this place."""
    copy = json.loads(json.dumps(body))
    inner = copy
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return copy


def places(body: Any, before: tuple[str | int, ...] = ()) -> list[list[str | int]]:
    """Every place in a JSON body."""
    inner = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    found = [list(before)] if before else []
    for key, value in inner:
        found += places(value, (*before, key))
    return found
