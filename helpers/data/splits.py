"""Training, validation and test rows: 70 / 15 / 15 by seed.

`random` deals rows (near-duplicates together) by a hash of the seed and the question. `unseen-tools` deals tools
instead: no tool that the validation or test split offers occurs in training. A row's place depends on the seed and its
own text, so adding rows to a set moves few of the others.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import replace

from helpers.data import duplicates
from helpers.data.convert import ConvertedRow
from helpers.data.errors import DatasetError

SHARES = {"training": 0.70, "validation": 0.15, "test": 0.15}
LARGEST_FAMILY = 0.05  # tools that are offered together are dealt together, unless their rows are more than this share

Splits = dict[str, list[ConvertedRow]]


def random(rows: list[ConvertedRow], alike: list[list[int]], *, seed: int) -> Splits:
    """The rows by chance."""
    return _dealt(rows, alike, seed)


def unseen_tools(rows: list[ConvertedRow], alike: list[list[int]], *, seed: int) -> Splits:
    """The rows by tool: what is offered in one split is offered in no other.

    Where tools of all splits are offered together (one large family), rows lose those that belong elsewhere, never the
    one that they call.
    """
    family = _joined([row.tool_names for row in rows])
    sizes = Counter(family[row.name] for row in rows)
    small = {name for name, size in sizes.items() if size <= LARGEST_FAMILY * len(rows)}
    units = [f"family {family[row.name]}" if family[row.name] in small else f"tool {row.name}" for row in rows]
    together = _joined([[units[position] for position in group] for group in alike])
    members: dict[str, list[int]] = defaultdict(list)
    for position, unit in enumerate(units):
        members[together[unit]].append(position)
    return _disjoint(_dealt(rows, list(members.values()), seed))


STRATEGIES = {"random": random, "unseen-tools": unseen_tools}


def split(rows: list[ConvertedRow], alike: list[list[int]], *, strategy: str, seed: int) -> Splits:
    """`rows` by one of STRATEGIES; groups of positions that are `alike` stay together.

    Raises DatasetError for another word.
    """
    if strategy not in STRATEGIES:
        raise DatasetError(
            f"There is no split {strategy!r}.", now=f"known are {', '.join(STRATEGIES)}", next_step="use one of these"
        )
    return STRATEGIES[strategy](rows, alike, seed=seed)


def rank(seed: int, key: bytes) -> bytes:
    """A place in an order that looks random, is fixed by seed and key, and is the same on every machine."""
    return hashlib.sha256(f"{seed}:".encode() + key).digest()


def _dealt(rows: list[ConvertedRow], groups: list[list[int]], seed: int) -> Splits:
    """The groups in the order of their rank, cut where 70 % and 85 % of the rows are reached."""
    keys = [duplicates.key(row) for row in rows]
    ordered = sorted(groups, key=lambda group: rank(seed, min(keys[position] for position in group)))
    splits: Splits = {name: [] for name in SHARES}
    dealt = 0
    for group in ordered:
        share, edge = dealt / len(rows), 0.0
        for name, size in SHARES.items():
            edge += size
            if share < edge - 1e-9:
                splits[name].extend(rows[position] for position in group)
                break
        dealt += len(group)
    return splits


def _joined(groups: list[list[str]]) -> dict[str, str]:
    """For each name the one that stands for all names that groups link it with."""
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        leader.setdefault(name, name)
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    for first, *others in groups:
        find(first)
        for other in others:
            leader[find(other)] = find(first)
    return {name: find(name) for name in list(leader)}


def _disjoint(splits: Splits) -> Splits:
    """The splits without the tools of others; a tool belongs where it is called, else to the last that offers it."""
    owner: dict[str, str] = {}
    for name, rows in splits.items():
        owner |= {tool: name for row in rows for tool in row.tool_names}
    for name, rows in splits.items():
        owner |= {row.name: name for row in rows}
    return {name: [_only(row, name, owner) for row in rows] for name, rows in splits.items()}


def _only(row: ConvertedRow, split_name: str, owner: dict[str, str]) -> ConvertedRow:
    own = [tool for tool in row.tools if owner[tool["function"]["name"]] == split_name]
    return row if len(own) == len(row.tools) else replace(row, tools=own)
