"""Texts that are nearly the same: they share six tenths of their words and pairs of neighbouring words.

    near_pairs(["Drop all the tables now.", "What is the weather?", "drop all the tables"])  ->  (0, 2)

Keeps what a model was taught apart from what it is measured with. It does not know paraphrases in other words.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from math import ceil

NEAR = 0.6


def words(text: str) -> list[str]:
    """Its words in order, in lower case."""
    return re.findall(r"[a-z0-9]+", text.lower())


def shingles(text: str) -> frozenset:
    """Its words and its pairs of neighbouring words."""
    found = words(text)
    return frozenset(found) | frozenset(zip(found, found[1:], strict=False))


def likeness(first: frozenset, second: frozenset) -> float:
    """What two sets share, of all that either holds (Jaccard)."""
    return len(first & second) / len(first | second)


def near_pairs(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Places of all pairs that are that like each other.

    Such a pair shares more than all but the rarest few of its words, so only texts that share one of those are
    compared (prefix filtering: Chaudhuri, Ganti and Kaushik, ICDE 2006).
    """
    known = [shingles(text) for text in texts]
    count = Counter(shingle for one in known for shingle in one)
    seen: dict[object, list[int]] = defaultdict(list)
    for place, one in enumerate(known):
        rarest = sorted(one, key=lambda shingle: (count[shingle], str(shingle)))
        prefix = rarest[: len(one) - ceil(NEAR * len(one)) + 1]
        for other in sorted({other for shingle in prefix for other in seen[shingle]}):
            if likeness(one, known[other]) >= NEAR:
                yield other, place
        for shingle in prefix:
            seen[shingle].append(place)


def unlike(texts: Sequence[str], known: Sequence[str]) -> list[str]:
    """Those of `texts` that are not nearly one of `known`."""
    near = {first for first, second in near_pairs([*texts, *known]) if first < len(texts) <= second}
    return [text for place, text in enumerate(texts) if place not in near]
