"""Questions that are the same, or nearly, so that no split learns what another one asks.

*Duplicates* have the same words and call the same tool: the later one is dropped. *Near-duplicates* share at least 70 %
of their words, numbers aside ("area of a circle with radius 3" and "… with radius 10"): all are kept, in one split.

Finding them takes time linear in the rows: a row is compared only with rows that share one of its rare words, and with
at most `MOST_COMPARED` of them. It does not know paraphrases in other words.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections import Counter, defaultdict

from helpers.data.convert import ConvertedRow

SIMILAR = 0.7
MOST_COMPARED = 10
_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_WORD = re.compile(r"\w+")


def key(row: ConvertedRow) -> bytes:
    """The same for rows that ask the same (case, punctuation and spaces ignored) and call the same tool."""
    words = " ".join(_WORD.findall(_plain(_asked(row))))
    return hashlib.sha256(f"{words}\n{row.name}".encode()).digest()[:16]


def words(row: ConvertedRow) -> frozenset[str]:
    """The different words of the question, every number as `0`; its characters in writing without spaces."""
    plain = _NUMBER.sub("0", _plain(_asked(row)))
    found = _WORD.findall(plain)
    if len(found) < len(plain) / 12:
        found = list("".join(found))
    return frozenset(found)


def groups(rows: list[ConvertedRow]) -> list[list[int]]:
    """Positions of `rows`, near-duplicates together, in the order of their first row."""
    by_words: dict[frozenset[str], list[int]] = defaultdict(list)
    for position, row in enumerate(rows):
        by_words[words(row)].append(position)
    sets = list(by_words)
    leader = _linked(sets)
    together: dict[int, list[int]] = defaultdict(list)
    for number, positions in enumerate(by_words.values()):
        together[leader[number]].extend(positions)
    return sorted((sorted(group) for group in together.values()), key=lambda group: group[0])


def _linked(sets: list[frozenset[str]]) -> list[int]:
    """For each set the number of the set that leads its group (union-find over similar pairs)."""
    frequency = Counter(word for each in sets for word in each)
    bits = [_bits(each) for each in sets]
    holders: dict[str, list[int]] = defaultdict(list)
    leader = list(range(len(sets)))
    for number, each in enumerate(sets):
        ordered = sorted(each, key=lambda word: (frequency[word], word))
        # Two sets with 70 % in common share at least one of the rarest 30 % (+ 1) words of each.
        rare = ordered[: len(ordered) - math.ceil(SIMILAR * len(ordered)) + 1]
        for other in {other for word in rare for other in holders[word][-MOST_COMPARED:]}:
            most_different = (1 - SIMILAR) / (1 + SIMILAR) * (len(each) + len(sets[other]))
            if (bits[number] ^ bits[other]).bit_count() <= most_different and _similar(each, sets[other]):
                leader[_find(leader, number)] = _find(leader, other)
        for word in rare:
            holders[word].append(number)
    return [_find(leader, number) for number in range(len(sets))]


def _bits(words: frozenset[str]) -> int:
    """A number with one of 256 bits set for each word: sets differ in at least as many words as these in bits."""
    bits = 0
    for word in words:
        bits |= 1 << (hash(word) & 255)
    return bits


def _similar(one: frozenset[str], other: frozenset[str]) -> bool:
    if min(len(one), len(other)) < SIMILAR * max(len(one), len(other)):
        return False
    common = len(one & other)
    return common >= SIMILAR * (len(one) + len(other) - common)


def _find(leader: list[int], number: int) -> int:
    while leader[number] != number:
        leader[number] = leader[leader[number]]
        number = leader[number]
    return number


def _asked(row: ConvertedRow) -> str:
    return "\n".join(message["content"] for message in row.messages)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
