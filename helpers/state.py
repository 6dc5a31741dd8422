"""What one notebook hands to the next, and the numbers a run leaves behind.

Two JSON files in `config.RESULTS_DIR`: `state.json` (names and job ids: nobody pastes anything) and `metrics.json` (the
shape that README and tests read: add keys, never rename). Both are replaced in one step, so a killed kernel leaves the
old file or the new one. No token is ever written here.
"""

import json
import os
from pathlib import Path
from typing import Any

import config

from .errors import MissingState

WRITTEN_BY = {
    "dataset_commit": "2_finetuning_and_inference.ipynb",
    "customization_job": "2_finetuning_and_inference.ipynb",
    "customized_model": "2_finetuning_and_inference.ipynb",
    "evaluation_jobs": "3_model_evaluation.ipynb",
}


def save(name: str, value: Any, *, folder: str | Path | None = None) -> None:
    """Hand `value` (anything JSON can hold) over to later notebooks under `name`."""
    path = _file("state.json", folder)
    _write(path, _read(path) | {name: value})


def load(name: str, *, folder: str | Path | None = None) -> Any:
    """What `save` stored. Raises MissingState, which says which notebook to run first."""
    path = _file("state.json", folder)
    stored = _read(path)
    if name not in stored:
        notebook = WRITTEN_BY.get(name, "the earlier notebooks")
        raise MissingState(
            f"There is no {name!r} from an earlier notebook in {path}.",
            now=f"handed over so far: {', '.join(sorted(stored)) or 'nothing'}.",
            next_step=f"run {notebook} to its end, then run this notebook again.",
        )
    return stored[name]


def record_metrics(values: dict, *, folder: str | Path | None = None) -> dict:
    """Merge `values` into metrics.json, nested objects key by key, and return the whole."""
    path = _file("metrics.json", folder)
    merged = _merge(_read(path), values)
    _write(path, merged)
    return merged


def metrics(*, folder: str | Path | None = None) -> dict:
    """The numbers recorded so far; an empty object before the first."""
    return _read(_file("metrics.json", folder))


def _file(name: str, folder: str | Path | None) -> Path:
    return Path(folder if folder is not None else config.RESULTS_DIR) / name


def _read(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise MissingState(
            f"{path} is not readable JSON ({error}).",
            next_step=f"delete {path} and run the notebooks again; finished jobs are found and reused.",
        ) from error


def _write(path: Path, value: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    draft.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(path)


def _merge(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return old | {key: _merge(old.get(key), value) for key, value in new.items()}
    return new
