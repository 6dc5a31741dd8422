"""Regular expressions as rules of a grammar whose alternatives never begin with the same character.

xgrammar (the release inside the engine) merges states of an automaton wrongly where two alternatives of one rule begin
alike: numbers grew beyond their last digit, enum values can be mixed (mlc-ai/xgrammar#618, #752). Here the next
character decides, so there is nothing to merge wrongly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from os.path import commonprefix

from .regular import Label, Regular, automaton

WIDE = re.compile(r"""["\[](\\[uU]0*[1-9a-f][0-9a-f]{2}|\\u00[89a-f]|[^\x00-\x7f])""")  # begins beyond ASCII


def literal(text: str) -> str:
    """Exactly this text, as an expression of a grammar."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\u{ord(found[0]):04x}", escaped) + '"'


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
