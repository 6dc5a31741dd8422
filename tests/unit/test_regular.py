"""Expressions become automata in which the next character decides, and rules that say the same."""

import json
import random
import re
from decimal import Decimal

import pytest

from local_nemo.lm.errors import GrammarRefused
from local_nemo.lm.number_ranges import integers, numbers
from local_nemo.lm.patterns import regex_to_regular
from local_nemo.lm.regular import Either as OneOf
from local_nemo.lm.regular import Named, Regular, Sequence, Word, automaton, words
from local_nemo.lm.regular_rules import rules_of, rules_of_texts

WHOLE = [(-1694, None), (None, 7), (-3, 12), (0, 1), (95, 1234), (-1000, -999)]
BOUNDS = [*WHOLE, (0.25, None), (-0.5, 0.5), (9.99, 10.01)]


def accepts(regular: Regular, text: str) -> bool:
    states, here = automaton(regular), 0
    for character in text:
        found = [
            target for labels, target in states[here].edges for low, high in labels if low <= ord(character) <= high
        ]
        assert len(found) <= 1, "the next character decides"
        if not found:
            return False
        here = found[0]
    return states[here].accepts


def written(regular: Regular, generator: random.Random) -> str:
    """A random text of the expression, of common characters where there is a choice."""
    states, here, text = automaton(regular), 0, ""
    while states[here].edges:
        if states[here].accepts and generator.random() < 0.2:
            break
        labels, here = generator.choice(states[here].edges)
        low, high = generator.choice(labels)
        text += chr(generator.randint(low, min(high, max(low, 0x17F))))
    return text


def language(begin: str, rules: dict[str, str]) -> set[str]:
    """All texts of a small grammar of literals and names."""
    found = set()
    for option in begin.split(" | "):
        texts = {""}
        for part in re.findall(r'"(?:[^"\\]|\\.)*"|\S+', option):
            more = {json.loads(part)} if part[0] == '"' else language(rules[part], rules)
            texts = {text + end for text in texts for end in more}
        found |= texts
    return found


@pytest.mark.parametrize(("low", "high"), BOUNDS)
@pytest.mark.parametrize("kind", [integers, numbers])
def test_a_number_stays_within_its_bounds_and_fifteen_digits(kind, low, high):
    regular = kind(*(None if bound is None else Decimal(str(bound)) for bound in (low, high)))
    if regular is None:
        assert kind is integers and (low, high) == (9.99, 10.01) or kind is integers and high == 0.5
        return
    generator = random.Random(1)
    for _ in range(500):
        text = written(regular, generator)
        assert low is None or json.loads(text) >= low, text
        assert high is None or json.loads(text) <= high, text
        assert len(text.lstrip("-").split(".")[0]) <= 15, text


@pytest.mark.parametrize(("low", "high"), WHOLE)
def test_every_whole_number_within_the_bounds_can_be_written(low, high):
    for kind in (integers, numbers):
        regular = kind(None if low is None else Decimal(low), None if high is None else Decimal(high))
        for value in range(-2000, 2000):
            inside = (low is None or value >= low) and (high is None or value <= high)
            assert accepts(regular, str(value)) == inside, value


@pytest.mark.parametrize(
    "pattern",
    [
        r"ab|ac",
        r"^(ab|ac|dc)+x$",
        r"^a*acd$",
        r"[éèĩ]",
        r"^\w+@\w+\.(com|org)$",
        r"(a|b)?c{2,3}",
        r"^[^a-y]\D\S$",
        r"[ -~]+",
    ],
)
def test_what_a_pattern_allows_matches_it_and_is_plain_in_json(pattern):
    regular = regex_to_regular(pattern, whole=False)
    generator = random.Random(2)
    for _ in range(200):
        text = written(regular, generator)
        assert re.search(pattern, text), text
        assert json.loads(f'"{text}"') == text


def test_counted_characters_of_a_pattern_are_bounded():
    assert accepts(regex_to_regular("^[a-z]{2}$", whole=False), "xy")
    with pytest.raises(GrammarRefused, match="repeats more than"):
        regex_to_regular("^.{500}$", whole=False)


@pytest.mark.parametrize("pattern", ["(" * 11 + "a" + "){3}" * 11, "a.{30}b|(a|b)*a.{9}a(c|d){9}"])
def test_a_pattern_that_would_explode_is_refused(pattern):
    with pytest.raises(GrammarRefused, match="cannot guide an answer|to guide an answer"):
        regex_to_regular(pattern, whole=False)


def test_texts_become_a_tree_that_says_exactly_them():
    generator = random.Random(3)
    for _ in range(50):
        texts = {"".join(generator.choices('ab"\\é日本', k=generator.randint(0, 5))) for _ in range(30)}
        assert language(*rules_of_texts(texts, "r")) == texts
        assert language(*rules_of(words(texts), "r")) == texts


def test_alternatives_of_a_rule_never_begin_with_the_same_character():
    begin, rules = rules_of_texts(
        ["get_weather_a", "get_weather_b", "set_weather_a", "get", "祥日", "旦日", "日日"], "r"
    )
    for body in (begin, *rules.values()):
        firsts = [option[:2] for option in body.split(" | ") if option != '""' and option[0] == '"']
        assert len(set(firsts)) == len(firsts)
        assert sum(not first.isascii() for first in firsts) <= 1, "their first bytes may be the same"


def test_a_named_rule_keeps_its_place():
    regular = OneOf(tuple(Sequence((Word(f"get_{name}: "), Named(f"v{name}"), Word("!"))) for name in "ab"))
    assert language(*_with(rules_of(regular, "r"), va='"1"', vb='"2"')) == {"get_a: 1!", "get_b: 2!"}


def _with(made: tuple[str, dict[str, str]], **more: str) -> tuple[str, dict[str, str]]:
    return made[0], made[1] | more
