"""Fewer tools beside the right one, in training rows only: what a row costs is mostly the tools it lists.

A row of the default data offers up to 37 tools, and every one of them is read again at each step. A few wrong ones
teach the choice as well; the test rows keep them all, so that the score means what it says. The same seed always
leaves the same tools, in their order.
"""

from __future__ import annotations

import random
from dataclasses import replace

from helpers.data.convert import ConvertedRow


def fewer_tools(row: ConvertedRow, *, most: int, seed: int) -> ConvertedRow:
    """The row with the called tool and a seeded choice of the others, `most` in all (0: the row as it is)."""
    if not most or len(row.tools) <= most:
        return row
    others = [index for index, name in enumerate(row.tool_names) if name != row.name]
    chosen = set(random.Random(f"{seed} {row.id}").sample(others, most - 1))
    tools = [tool for index, tool in enumerate(row.tools) if index in chosen or row.tool_names[index] == row.name]
    return replace(row, tools=tools)
