"""Where rows come from: `bfcl`, a hub id, or a path. A new source is one file and one line in `load_rows`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from helpers.data import bfcl, jsonl
from helpers.data.errors import UnknownDataset

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def load_rows(dataset: str, *, token: str = "", endpoint: str | None = None) -> Iterator[dict[str, Any]]:
    """The raw rows of `dataset`, one at a time.

    `dataset` is "bfcl" (offline), the path of a JSONL file (xLAM-shaped or OpenAI chat rows), or a hub id, for which
    `token` is sent to the hub at `endpoint` (None: the public one). Errors are raised at once, before the first row is
    asked for, except those of a line further down in a file: UnknownDataset, GatedDataset, UnreadableData,
    EmptyDataset.
    """
    if dataset == "bfcl":
        bfcl.folder()
        return bfcl.rows()
    path = Path(dataset).expanduser()
    if path.is_file():
        return jsonl.read(path)
    looks_like_a_file = path.suffix in (".jsonl", ".json") or dataset.startswith((".", "/", "~"))
    if _HUB_ID.fullmatch(dataset) and not looks_like_a_file and not path.exists():
        from helpers.data import hub  # needed for hub ids only, and slow to import

        return hub.rows(dataset, token=token, endpoint=endpoint)
    what = "is a folder" if path.is_dir() else "does not exist" if looks_like_a_file else "is neither a set nor a file"
    raise UnknownDataset(
        f"DATASET {dataset!r} {what}.",
        now="DATASET may be 'bfcl', a hub id such as Salesforce/xlam-function-calling-60k, or the path of a JSONL file",
        next_step="correct DATASET in config.py (or the environment variable of that name)",
    )
