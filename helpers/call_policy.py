"""What a tool may be called with, as a small dict that a reader writes in a cell.

    POLICY = {
        "delete_file": "nothing is deleted by a model",                                # never
        "pay": {"amount": {"max": 100}, "currency": {"one_of": ["EUR"]}},              # within limits
        "*": {"*": {"pattern_not": r"(?i)\\bprod(uction)?\\b", "max_length": 2000}},      # every string argument
    }

Rules of an argument: min, max, one_of, none_of, pattern (the whole value), pattern_not (any part), max_length. A
misspelt tool, argument or rule is an error when the policy is made: a rail that silently isn't there is worse than
none.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import errors

ANY = "*"
Rule = Mapping[str, Any]
Policy = Mapping[str, "str | Mapping[str, Rule]"]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


# each: does this value break the rule? numbers of another type, and texts where a number is meant, break min and max
BROKEN: dict[str, Callable[[Any, Any], bool]] = {
    "min": lambda value, bound: not _number(value) or not value >= bound,
    "max": lambda value, bound: not _number(value) or not value <= bound,
    "one_of": lambda value, allowed: not any(_same(value, one) for one in allowed),
    "none_of": lambda value, refused: any(_same(value, one) for one in refused),
    "pattern": lambda value, pattern: re.fullmatch(pattern, _text(value)) is None,
    "pattern_not": lambda value, pattern: re.search(pattern, _text(value)) is not None,
    "max_length": lambda value, length: len(_text(value)) > length,
}
OF_TEXT = {"pattern", "pattern_not", "max_length"}  # under "*" they concern texts only, the others numbers only
OF_NUMBER = {"min", "max"}


def _same(value: Any, other: Any) -> bool:
    """Equal, and not merely as True equals 1; letter case of texts is ignored, so that it can't dodge a policy."""
    if isinstance(value, str) and isinstance(other, str):
        return value.strip().casefold() == other.strip().casefold()
    return isinstance(value, bool) == isinstance(other, bool) and value == other


def check_policy(policy: Policy, arguments_of: Mapping[str, Sequence[str]]) -> None:
    """Raise `SettingError` if the policy names a tool, argument or rule that doesn't exist or can't work.

    `arguments_of` gives each tool's argument names.
    """
    for tool, rules in policy.items():
        if tool != ANY and tool not in arguments_of:
            _refuse(f"the policy names tool {tool!r}", f"the tools are {', '.join(arguments_of)}")
        if isinstance(rules, str):
            continue
        if not isinstance(rules, Mapping):
            _refuse(f"the policy of {tool!r} is {type(rules).__name__}", "it is a reason (never call it) or a dict")
        known = {name for names in arguments_of.values() for name in names} if tool == ANY else set(arguments_of[tool])
        for argument, rule in rules.items():
            if argument != ANY and argument not in known:
                _refuse(f"the policy of {tool!r} names argument {argument!r}", f"it has {', '.join(sorted(known))}")
            _check_rule(tool, argument, rule)


def _check_rule(tool: str, argument: str, rule: Any) -> None:
    where = f"the policy of {tool!r}, argument {argument!r},"
    if not isinstance(rule, Mapping) or not rule:
        _refuse(f"{where} has no rules", f"give a dict of {', '.join(BROKEN)}")
    for name, bound in rule.items():
        if name not in BROKEN:
            _refuse(f"{where} has rule {name!r}", f"the rules are {', '.join(BROKEN)}")
        if name in ("min", "max", "max_length") and not _number(bound):
            _refuse(f"{where} has {name} = {bound!r}", "it is a number")
        if name in ("one_of", "none_of") and (isinstance(bound, str) or not isinstance(bound, Sequence)):
            _refuse(f"{where} has {name} = {bound!r}", "it is a list of values")
        if name in ("pattern", "pattern_not"):
            try:
                re.compile(bound)
            except (re.error, TypeError) as error:
                _refuse(f"{where} has {name} = {bound!r}", f"it is a regular expression: {error}")


def _refuse(what: str, now: str) -> None:
    raise errors.SettingError(f"{what}, which can't be enforced.", now=f"{now}.", next_step="correct the policy.")


def violation(policy: Policy, tool: str, arguments: Mapping[str, Any]) -> str | None:
    """Which rule a call breaks, or None. Lists and objects are looked into: every value in them counts."""
    for key in (tool, ANY):
        rules = policy.get(key, {})
        if isinstance(rules, str):
            return f"{tool} may not be called: {rules}"
        for argument, rule in rules.items():
            for name in arguments if argument == ANY else [argument] if argument in arguments else []:
                for value in leaves(arguments[name]):
                    if broken := _broken(rule, value, everywhere=argument == ANY):
                        return f"{tool}: {name} = {value!r:.80} breaks {broken} = {rule[broken]!r:.80}"
    return None


def _broken(rule: Rule, value: Any, *, everywhere: bool) -> str | None:
    for name, bound in rule.items():
        concerned = not everywhere or (
            isinstance(value, str) if name in OF_TEXT else _number(value) if name in OF_NUMBER else True
        )
        if concerned and BROKEN[name](value, bound):
            return name
    return None


def leaves(value: Any) -> list[Any]:
    """Every single value in nested lists and objects; the names of an object's fields count as values."""
    if isinstance(value, Mapping):
        return [leaf for key, item in value.items() for leaf in [key, *leaves(item)]]
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]
