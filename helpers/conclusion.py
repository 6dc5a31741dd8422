"""What an evaluation says, in sentences that are written from its numbers: nobody edits them by hand.

    conclusion.of(base, tuned)        # the last line of a cell shows it as Markdown

Each sentence is chosen by the numbers: a difference is called one only if McNemar's exact test on the same rows finds
it, and every rate carries its 95 % interval and its rows.
"""

from collections import Counter
from dataclasses import dataclass

from . import records as rows
from .mistakes import mistake
from .records import Record
from .scores import ACCEPTED, ARGUMENTS, NAME, WORDS, score
from .statistics import compare
from .tables import percent

CHANCE = 0.05  # a split at least this likely among equally good models is no difference


@dataclass(frozen=True)
class Conclusion:
    """Sentences, one a list item."""

    sentences: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n".join(f"- {sentence}" for sentence in self.sentences)

    def _repr_markdown_(self) -> str:
        return repr(self)


def of(base: list[Record], tuned: list[Record]) -> Conclusion:
    """The conclusion of two evaluations of the same rows. Raises `DatasetError` if they are not of the same rows."""
    base, tuned = rows.paired(base, tuned)
    sentences = [_comparison(name, base, tuned) for name in rows.rates(base)]
    sentences += [_next_step(tuned), *_near(tuned), *_left_out(base, tuned)]
    return Conclusion(tuple(sentences))


def _comparison(name: str, base: list[Record], tuned: list[Record]) -> str:
    before, after = rows.rates(base)[name], rows.rates(tuned)[name]
    if not before.n or not after.n:
        return f"**{WORDS[name].capitalize()}**: no row has this score."
    test = compare([score(one, name) for one in base], [score(one, name) for one in tuned])
    rates = f"{percent(before)} of {before.n} rows before, {percent(after)} of {after.n} after."
    rates = f"**{WORDS[name].capitalize()}**: {rates}"
    if test.p_value >= CHANCE:
        return f"{rates} A split as uneven as this is no surprise by chance alone (p = {test.p_value:.2g})."
    verdict = "better" if test.only_second > test.only_first else "worse"
    return (
        f"{rates} The tuned model is {verdict}: {test.only_second} rows gained, {test.only_first} lost "
        f"(McNemar's exact p {'< 0.0001' if test.p_value < 1e-4 else f'= {test.p_value:.2g}'})."
    )


def _next_step(tuned: list[Record]) -> str:
    kinds = Counter(found.kind for one in tuned if (found := mistake(one)) and found.kind != "not answered")
    if not kinds:
        return "The tuned model makes no mistake on these rows; harder rows would tell more."
    (kind, count), total = kinds.most_common(1)[0], kinds.total()
    often = f"**{kind}** is the most frequent mistake ({count} of them, {count / total:.0%})"
    return f"What is left: {total} wrong rows; {often}."


def _near(tuned: list[Record]) -> list[str]:
    """How strict the metric is: answers that a person might accept."""
    near = Counter(found.near_miss for one in tuned if (found := mistake(one)) and found.near_miss)
    sentences = []
    if near:
        kinds = ", ".join(f"{count} {kind}" for kind, count in near.most_common())
        sentences.append(f"{near.total()} wrong rows miss by the writing of a value alone ({kinds}).")
    if ACCEPTED in rows.rates(tuned):
        more = sum(score(one, ACCEPTED) == 1.0 and score(one, ARGUMENTS) != 1.0 for one in tuned)
        sentences.append(f"{more} rows are wrong by the first accepted value and right by another one.")
    return sentences


def _left_out(base: list[Record], tuned: list[Record]) -> list[str]:
    missing = [sum(score(one, NAME) is None for one in records) for records in (base, tuned)]
    if not any(missing):
        return []
    return [
        f"{missing[0]} rows of the base model and {missing[1]} of the tuned one were not answered and count nowhere."
    ]
