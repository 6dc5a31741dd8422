"""Is a request body what a client library's own types allow? Recursive, and unknown keys are errors.

    complaints(JobCreateParams, body)  ->  ["body.hyperparameters.lora.rank: unknown key"]

The types are the TypedDicts that `nemo_microservices` and `openai` publish for their callers. Static checkers read
them; nothing reads them at run time, so this does. JSON's view is taken: a list is any sequence, an int is a float.
"""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin

import typing_extensions
from typing_extensions import get_type_hints, is_typeddict

SEQUENCES = (list, tuple, Iterable, Sequence)


def complaints(kind: Any, value: Any, where: str = "body") -> list[str]:
    """What is wrong with `value` as a `kind`; empty if nothing is."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Required, NotRequired, Annotated):
        return complaints(arguments[0], value, where)
    if isinstance(kind, typing_extensions.TypeAliasType):
        return complaints(kind.__value__, value, where)
    if kind is Any or kind is object:
        return []
    if origin in (Union, UnionType):
        return _union(arguments, value, where)
    if origin is Literal:
        return [] if value in arguments else [f"{where}: {value!r} is none of {arguments}"]
    if is_typeddict(kind):
        return _typed_dict(kind, value, where)
    if origin in (dict, Mapping):
        if not isinstance(value, dict):
            return [f"{where}: {value!r} is no object"]
        return [each for key, item in value.items() for each in complaints(arguments[1], item, f"{where}.{key}")]
    if origin in SEQUENCES or kind in SEQUENCES:
        if not isinstance(value, list):
            return [f"{where}: {value!r} is no list"]
        inner = arguments[0] if arguments else Any
        return [each for n, item in enumerate(value) for each in complaints(inner, item, f"{where}[{n}]")]
    return _plain(kind, value, where)


def _typed_dict(kind: Any, value: Any, where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is no object ({kind.__name__})"]
    hints = get_type_hints(kind, include_extras=True)
    fields = {_sent_as(name, hint): hint for name, hint in hints.items()}
    # Both libraries mark every needed key; __required_keys__ knows nothing of marks that are postponed annotations.
    required = {name for name, hint in fields.items() if get_origin(hint) is Required}
    found = [f"{where}.{name}: unknown key" for name in value if name not in fields]
    found += [f"{where}.{name}: missing" for name in sorted(required - value.keys())]
    return found + [
        each for name in value if name in fields for each in complaints(fields[name], value[name], f"{where}.{name}")
    ]


def _sent_as(name: str, hint: Any) -> str:
    """The key on the wire: Stainless clients note an alias beside the type."""
    while get_origin(hint) in (Required, NotRequired):
        hint = get_args(hint)[0]
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((note.alias for note in notes if getattr(note, "alias", None)), name)


def _union(kinds: tuple, value: Any, where: str) -> list[str]:
    tried = [complaints(kind, value, where) for kind in kinds]
    return min(tried, key=len)  # the closest alternative is the one to complain about


def _plain(kind: Any, value: Any, where: str) -> list[str]:
    if kind is None or kind is NoneType:
        right = value is None
    elif kind is float:
        right = isinstance(value, int | float) and not isinstance(value, bool)
    elif kind is int:
        right = isinstance(value, int) and not isinstance(value, bool)
    elif kind is datetime:
        right = False  # JSON has none
    elif inspect.isclass(kind):
        right = isinstance(value, kind)
    else:
        raise TypeError(f"{where}: no rule for {kind!r}")
    return [] if right else [f"{where}: {value!r} is no {getattr(kind, '__name__', kind)}"]
