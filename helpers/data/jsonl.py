"""JSON lines from a file, one row at a time, with errors that name file and line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from helpers.data.errors import EmptyDataset, UnreadableData


def read(path: Path | str) -> Iterator[dict[str, Any]]:
    """The objects of a JSONL file; empty lines are skipped. A row without `id` gets its line number.

    Raises UnreadableData at the first line that is not a JSON object in UTF-8, EmptyDataset if there is no row.
    """
    path, rows = Path(path), 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line.strip():
                rows += 1
                row = _row(line, path, number)
                yield row if "id" in row else {"id": f"line {number}"} | row
    if not rows:
        raise EmptyDataset(
            f"{path} has no rows.",
            now=f"the file is {path.stat().st_size} bytes long and holds no JSON object",
            next_step="set DATASET to a JSONL file with one row a line, or to 'bfcl'",
        )


def _row(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, number, str(error), line) from None
    if not isinstance(row, dict):
        raise _unreadable(path, number, f"a {type(row).__name__}, not an object", line)
    return row


def _unreadable(path: Path, number: int, why: str, line: bytes) -> UnreadableData:
    start = line[:60].decode("utf-8", "replace").strip()
    return UnreadableData(
        f"{path}, line {number} is not a JSON object: {why}",
        now=f"the line begins with {start!r}; nothing was converted or written",
        next_step="mend or remove that line; every line must be one object such as "
        '{"id": 1, "query": "…", "answers": "[…]", "tools": "[…]"}',
    )
