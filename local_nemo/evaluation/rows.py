"""The rows of an evaluation: from a file of the local Data Store, or sent with the target.

A dataset reference is fixed to one commit when the job is created, so that a job which resumes after a restart reads
the same rows. Every line is checked before the first row is asked: a bad one is named by file and line.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from local_nemo.evaluation.errors import EvaluationMissing, EvaluationRefused
from local_nemo.store.entities import Entities, NotFound
from local_nemo.store.repos import Files

Row = dict[str, Any]


def pin_dataset(reference: str | Mapping[str, Any], entities: Entities, files: Files) -> dict[str, Any]:
    """The dataset object with its URL resolved to files of one commit (`version_id`, `files`).

    `reference` is `"namespace/name"` of a dataset entity, or an object with `files_url` and perhaps `limit`.
    Raises `EvaluationMissing` that lists what is there, or `EvaluationRefused`.
    """
    dataset = _object(reference, entities)
    endpoint = dataset.get("hf_endpoint")
    if endpoint and "huggingface.co" in endpoint:
        raise EvaluationRefused("local_nemo evaluates rows of its own Data Store: upload them and omit hf_endpoint")
    url = str(dataset["files_url"])
    try:
        repo_type, repo, path, revision = files.resolve(url)
        listed = {entry.path for entry in files.tree(repo_type, repo, revision)}
        commit = files.info(repo_type, repo, revision).sha
    except (NotFound, ValueError) as error:
        raise EvaluationMissing(f"the dataset {url!r} can't be read: {error}") from error
    return {**dataset, "version_id": commit, "version_tags": [], "files": _choose(url, path, listed)}


def read_rows(dataset: Mapping[str, Any], files: Files, limit: int | None = None) -> Iterator[Row]:
    """The first `limit` rows of a pinned dataset. Raises `EvaluationRefused` that names file and line."""
    repo_type, repo, _, _ = files.resolve(str(dataset["files_url"]))
    try:
        paths = [(files.path(repo_type, repo, name, dataset["version_id"]), name) for name in dataset["files"]]
    except NotFound as error:
        raise EvaluationMissing(f"the rows of {dataset['files_url']} are gone: {error}") from error
    return islice((row for path, name in paths for row in parse_file(path, name)), limit)


def parse_file(path: Path, name: str) -> Iterator[Row]:
    """The JSON objects of a .jsonl file, or of a .json file that holds a list."""
    with path.open(encoding="utf-8", newline="\n") as lines:
        try:
            if name.endswith(".json"):
                yield from _listed(_parse(lines.read(), name), name)
                return
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield from _listed([_parse(line, f"{name}, line {number}")], f"{name}, line {number}")
        except UnicodeDecodeError as error:
            raise EvaluationRefused(f"{name} is not UTF-8 text: {error}") from error


def _object(reference: str | Mapping[str, Any], entities: Entities) -> dict[str, Any]:
    if not isinstance(reference, str):
        return dict(reference)
    namespace, _, name = reference.rpartition("/")
    try:
        return entities.get("dataset", namespace or "default", name)
    except NotFound as error:
        known = ", ".join(f"{one['namespace']}/{one['name']}" for one in entities.all("dataset")[-10:])
        raise EvaluationMissing(f"{error}. Datasets here: {known or 'none'}.") from error


def _choose(url: str, path: str, listed: set[str]) -> list[str]:
    """One file, all files of a folder, or for a whole repository its `testing/` folder."""
    readable = sorted(name for name in listed if name.endswith((".jsonl", ".json")))
    if path in readable:
        return [path]
    folder = f"{path.rstrip('/')}/" if path else "testing/"
    inside = [name for name in readable if name.startswith(folder)]
    if inside or (not path and len(readable) == 1):
        return inside or readable
    have = ", ".join(sorted(listed)[:20]) or "nothing"
    if not path and readable:
        raise EvaluationRefused(f"{url!r} holds several files; name one of them in files_url: {have}")
    raise EvaluationMissing(f"{url!r} names no .jsonl or .json file of the repository. It holds: {have}")


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise EvaluationRefused(f"{where}: not JSON: {error}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _listed(values: Any, where: str) -> list[Row]:
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise EvaluationRefused(f"{where}: expected a JSON object for each row")
    return values
