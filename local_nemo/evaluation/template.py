"""Jinja templates of evaluation configs: what a request body or a ground truth looks like, written over the row.

The rule: objects and lists are rendered element by element; a string that is one bare `{{ expression }}` keeps its
native type; a string that contains `tojson` is parsed as JSON after rendering; other strings stay text. Undefined
variables are errors. The environment is Jinja's sandbox. Time and memory are *not* bounded here, that is the work of
`renderer`, which runs this module in a process of its own.
"""

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_TEMPLATE_CHARACTERS = 65_536
MAX_DEPTH = 32  # of objects and lists around the strings

environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
environment.policies["json.dumps_kwargs"] = {}  # tojson would sort keys, and a model notices the order of parameters


class BadTemplate(ValueError):
    """A template that can't be used at all; the text says where and why."""


def render(template: Any, context: Mapping[str, Any]) -> Any:
    """The template's value over `context`. Raises jinja2.TemplateError, json.JSONDecodeError, or what Python raises."""
    if isinstance(template, Mapping):
        return {key: render(value, context) for key, value in template.items()}
    if isinstance(template, list):
        return [render(value, context) for value in template]
    if not isinstance(template, str):
        return template
    value = _compiled(template)(context)
    return json.loads(value) if "tojson" in template and isinstance(value, str) else value


def is_bare_expression(template: str) -> bool:
    """True for exactly one `{{ … }}` with nothing around it."""
    text = template.strip()
    return (
        text.startswith("{{")
        and text.endswith("}}")
        and text.count("{{") == text.count("}}") == 1
        and "{%" not in text
        and "%}" not in text
    )


def check(template: Any, where: str, depth: int = 0) -> None:
    """Refuse a template that is too large or not Jinja, before any row is rendered; raises `BadTemplate`.

    Only parses: compiling would already execute constant expressions.
    """
    if depth > MAX_DEPTH:
        raise BadTemplate(f"{where}: nested deeper than {MAX_DEPTH} levels")
    if isinstance(template, Mapping):
        for key, value in template.items():
            check(value, f"{where}.{key}", depth + 1)
    elif isinstance(template, list):
        for position, value in enumerate(template):
            check(value, f"{where}[{position}]", depth + 1)
    elif isinstance(template, str):
        if len(template) > MAX_TEMPLATE_CHARACTERS:
            raise BadTemplate(f"{where}: {len(template)} characters; at most {MAX_TEMPLATE_CHARACTERS} are accepted")
        try:
            environment.parse(template)
        except TemplateError as error:
            raise BadTemplate(f"{where}: not a Jinja template: {error}") from error
        except RecursionError as error:
            raise BadTemplate(f"{where}: nested too deeply for a Jinja template") from error


@lru_cache(maxsize=256)
def _compiled(template: str) -> Callable[[Mapping[str, Any]], Any]:
    """Compiling takes milliseconds, rendering microseconds, and every row uses the same few templates."""
    if not is_bare_expression(template):
        return environment.from_string(template).render
    evaluate = environment.compile_expression(template.strip()[2:-2].strip(), undefined_to_none=False)

    def native(context: Mapping[str, Any]) -> Any:
        value = evaluate(**{key: item for key, item in context.items() if key.isidentifier()})
        if isinstance(value, StrictUndefined):
            str(value)  # raises UndefinedError with the variable's name
        return value

    return native
