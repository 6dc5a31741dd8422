"""Do alternatives of a JSON Schema (`oneOf`) plainly exclude each other? If they do, `oneOf` is as good as `anyOf`."""

from __future__ import annotations

import json
from typing import Any


def apart(options: list) -> bool:
    """Whether alternatives plainly exclude each other: by type, or by different constants of one property."""
    kinds = [option.get("type") if isinstance(option, dict) else None for option in options]
    simple = [kind for kind in kinds if isinstance(kind, str)]
    if len(simple) == len(options) and len(set(simple)) == len(simple) and set(simple) != {"integer", "number"}:
        return not {"integer", "number"} <= set(simple)
    constants = [_constants(option) for option in options]
    shared = set.intersection(*(set(one) for one in constants)) if constants else set()
    return any(_disjoint([one[name] for one in constants]) for name in shared)


def _constants(option: Any) -> dict[str, set[str]]:
    """Required properties with a const or enum, and their values; "" stands for the value itself."""
    if not isinstance(option, dict):
        return {}
    found = {}
    named = {
        name: part for name, part in (option.get("properties") or {}).items() if name in option.get("required", [])
    }
    for name, part in {**named, "": option}.items():
        if isinstance(part, dict) and ("const" in part or isinstance(part.get("enum"), list)):
            values = [part["const"]] if "const" in part else part["enum"]
            found[name] = {json.dumps(value, sort_keys=True) for value in values}
    return found


def _disjoint(sets: list[set[str]]) -> bool:
    return sum(len(one) for one in sets) == len(set.union(*sets))
