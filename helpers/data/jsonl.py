"""Rows from a file of JSON, one at a time, with errors that name file and line.

Reads JSON lines, and one array of rows (as the xLAM set is published) without holding it in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from helpers.data.errors import EmptyDataset, UnreadableData

CHUNK = 1 << 20  # characters of an array read at a time


def read(path: Path | str) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines, or of one JSON array. A row without `id` gets its line (or place) as id.

    Empty lines are skipped. Raises UnreadableData at the first line that is not a JSON object in UTF-8, EmptyDataset if
    there is no row.
    """
    path, rows = Path(path), 0
    with path.open("rb") as file:
        array = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")
    for place, row in _array(path) if array else _lines(path):
        rows += 1
        yield row if "id" in row else {"id": place} | row
    if not rows:
        raise EmptyDataset(
            f"{path} has no rows.",
            now=f"the file is {path.stat().st_size} bytes long and holds no JSON object",
            next_step="set DATASET to a JSONL file with one row a line, or to 'bfcl'",
        )


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open("rb") as file:
        for number, line in enumerate(_without_mark(file), start=1):
            if line.strip():
                place = f"line {number}"
                try:
                    row = json.loads(line.decode("utf-8"))
                except (ValueError, RecursionError) as error:
                    raise _unreadable(path, place, str(error), line[:60].decode("utf-8", "replace")) from None
                yield place, _object(row, path, place)


def _without_mark(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, the byte order mark that some editors write removed."""
    for number, line in enumerate(file):
        yield line if number else line.removeprefix(b"\xef\xbb\xbf")


def _array(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig") as file:
        try:
            for number, row in enumerate(_elements(file), start=1):
                place = f"row {number}"
                yield place, _object(row, path, place)
        except (ValueError, RecursionError) as error:
            raise _unreadable(path, "the JSON array", str(error), "[") from None


def _elements(file: TextIO) -> Iterator[Any]:
    """The elements of the JSON array that a file holds. Raises ValueError if it is cut short or no JSON."""
    decoder, text, position = json.JSONDecoder(), file.read(CHUNK).lstrip()[1:], 0
    while True:
        while position < len(text) and text[position] in " \t\r\n,":
            position += 1
        if text[position : position + 1] == "]":
            return
        try:
            element, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError:
            more = file.read(CHUNK)
            if not more:
                raise
            text, position = text[position:] + more, 0
            continue
        yield element


def _object(row: Any, path: Path, place: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise _unreadable(path, place, f"a {type(row).__name__}, not an object", str(row)[:60])
    return row


def _unreadable(path: Path, place: str, why: str, start: str) -> UnreadableData:
    return UnreadableData(
        f"{path}, {place} is not a JSON object: {why}",
        now=f"it begins with {start.strip()!r}; nothing was converted or written",
        next_step="mend or remove it; every line must be one object such as "
        '{"id": 1, "query": "…", "answers": "[…]", "tools": "[…]"}',
    )
