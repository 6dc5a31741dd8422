"""Which rows are computed together: rows that begin alike share the computation of what they share.

Tool-calling rows carry the same tool list again and again. Rows with the same beginning form a `Group`; the rows of a
group that fall into one batch become one `Tree`: the common prefix once, then each row's own rest, which sees the
prefix and itself only, at the positions it would have alone. The gradient is that of the rows computed one by one (the
tests compare them); only the repeated work is gone. A row that shares nothing is a tree of its own. No padding
anywhere.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from local_nemo.lm.rows import EncodedRow

MIN_SHARED = 16  # a shorter common beginning is not worth a group
LOOK_AHEAD = 64  # runs among which one is sought that fits whole: a run that is cut computes its beginning twice


@dataclass(frozen=True)
class Group:
    """Rows (by index) whose first `shared` tokens are the same."""

    rows: tuple[int, ...]
    shared: int


@dataclass(frozen=True)
class Tree:
    """Rows of one group (by number) that are computed together."""

    rows: tuple[int, ...]
    shared: int
    group: int


def groups(rows: list[EncodedRow]) -> list[Group]:
    """Partition the rows by common beginnings, so that the tokens saved are about as many as can be.

    Rows sorted by their tokens lie beside those they share most with; a row joins its predecessor's group if the group
    then still shares at least half of what it shared (else the long common beginning of the others would be given up).
    The shared part never reaches into an answer.
    """
    order = sorted(range(len(rows)), key=lambda i: rows[i].ids)
    limit = [row.answer_start - 1 for row in rows]  # the last prompt token predicts the answer: it is each row's own
    result: list[Group] = []
    members, shared = order[:1], limit[order[0]] if order else 0
    for before, index in pairwise(order):
        common = min(_common(rows[before].ids, rows[index].ids), shared, limit[index])
        if common >= max(MIN_SHARED, shared // 2 if len(members) > 1 else 0, limit[index] // 3):
            members, shared = members + [index], common
        else:
            result.append(_group(members, shared))
            members, shared = [index], limit[index]
    return result + [_group(members, shared)] if members else result


def epoch(groups: list[Group], batch_size: int, seed: int) -> Iterator[list[Tree]]:
    """The batches of one epoch: every row once, `batch_size` rows each (the last may be smaller), order from `seed`.

    Rows of a group are dealt out in runs of up to `batch_size`, runs are shuffled, so that a batch holds either one
    run or several short ones.
    """
    generator = random.Random(seed)
    runs: list[Tree] = []
    for number, group in enumerate(groups):
        members = list(group.rows)
        generator.shuffle(members)
        runs += _cut(members, group.shared, number, batch_size)
    generator.shuffle(runs)
    while runs:
        batch: list[Tree] = []
        room = batch_size
        while room and runs:
            run = _take(runs, room)
            batch.append(run)
            room -= len(run.rows)
        yield batch


def _take(runs: list[Tree], room: int) -> Tree:
    """Remove and return the next run that fits; if none of the next ones does, the first part of the next run."""
    for position, run in enumerate(runs[:LOOK_AHEAD]):
        if len(run.rows) <= room:
            return runs.pop(position)
    run = runs[0]
    runs[0] = replace(run, rows=run.rows[room:])
    return replace(run, rows=run.rows[:room])


def chunks(groups: list[Group], size: int) -> Iterator[Tree]:
    """All rows in trees of at most `size` rows, in a fixed order (for validation)."""
    for number, group in enumerate(groups):
        yield from _cut(group.rows, group.shared, number, size)


def bounded(tree: Tree, rows: list[EncodedRow], limit: int) -> Iterator[Tree]:
    """The tree in parts of at most `limit` tokens where single rows allow it: activations need memory by the token."""
    part: list[int] = []
    size = tree.shared
    for index in tree.rows:
        own = len(rows[index].ids) - tree.shared
        if part and size + own > limit:
            yield replace(tree, rows=tuple(part))
            part, size = [], tree.shared
        part.append(index)
        size += own
    yield replace(tree, rows=tuple(part))


def tokens(tree: Tree, rows: list[EncodedRow]) -> int:
    """How many tokens the tree computes."""
    return tree.shared + sum(len(rows[index].ids) - tree.shared for index in tree.rows)


def _cut(members: Sequence[int], shared: int, number: int, size: int) -> list[Tree]:
    return [Tree(tuple(members[i : i + size]), shared, number) for i in range(0, len(members), size)]


def _group(members: list[int], shared: int) -> Group:
    return Group(tuple(members), shared if len(members) > 1 else 0)


def _common(left: tuple[int, ...], right: tuple[int, ...]) -> int:
    for position, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return position
    return min(len(left), len(right))
