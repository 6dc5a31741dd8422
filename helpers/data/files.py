"""The files that notebook 1 leaves for the others, in the formats of NeMo Customizer and NeMo Evaluator.

    customization/training.jsonl        messages with the answer, tools
    validation/validation.jsonl         the same
    evaluation/xlam-test-single.jsonl   messages, tools, tool_calls (the truth), accepted if known, id
    evaluation/xlam-test-unseen.jsonl   those of them none of whose tools occurs in training
    report.json                         what became of every row

Each file appears whole or not at all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from helpers.data.prepare import Prepared

TRAINING = "customization/training.jsonl"
VALIDATION = "validation/validation.jsonl"
TEST = "evaluation/xlam-test-single.jsonl"
UNSEEN = "evaluation/xlam-test-unseen.jsonl"
REPORT = "report.json"


def write(prepared: Prepared, folder: Path | str) -> dict[str, int]:
    """Writes the files below `folder`; returns the number of rows of each, by its path within."""
    contents = {
        TRAINING: [row.training_row() for row in prepared.splits["training"]],
        VALIDATION: [row.training_row() for row in prepared.splits["validation"]],
        TEST: [row.evaluation_row() for row in prepared.splits["test"]],
        UNSEEN: [row.evaluation_row() for row in prepared.unseen],
    }
    for name, rows in contents.items():
        _replace(Path(folder) / name, (line(row) for row in rows))
    report = json.dumps(prepared.report.as_dict(), indent=2, ensure_ascii=False)
    _replace(Path(folder) / REPORT, [report + "\n"])
    return {name: len(rows) for name, rows in contents.items()}


def line(row: dict[str, Any]) -> str:
    """One row as a line of JSONL."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"


def _replace(path: Path, texts: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(texts)
    os.replace(partial, path)
