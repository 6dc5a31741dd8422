"""Evaluate the base and the customized model on any file of rows: what `make evaluate DATA=file.jsonl` runs.

Uses a running server, else starts one on the state of the last `make run` and ends it afterwards. Takes the newest
customized model unless one is named. The rows go through the same checks as the tutorial's own, except that tools with
many parameters are kept and counted. Prints the table and writes `<RESULTS_DIR>/evaluate-<name>.json`.

    python -m helpers.evaluate rows.jsonl [--limit 300] [--model namespace/name]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import config

from . import data, data_store, entity_store, errors, evaluator, history, nim, records, tables
from .platform import ROOT, Platform, connect, running
from .series import RUN_STATE

FILE = "testing/rows.jsonl"  # in the Data Store
MAX_TOKENS = 128  # a call takes about 50; the base model would ramble on until its context is full


@dataclass(frozen=True)
class Rows:
    """The usable rows of a file, and what became of the others."""

    kept: list[data.ConvertedRow]
    report: data.Report

    def facts(self, path: Path) -> dict[str, Any]:
        """What the result says about the data."""
        many = sum(_most_parameters(row) > config.LIMIT_TOOL_PROPERTIES for row in self.kept)
        return {
            "file": path.name,
            "rows": self.report.rows,
            "evaluated": len(self.kept),
            "outcomes": dict(self.report.outcomes),
            "dropped": dict(self.report.drops),
            f"tools_over_{config.LIMIT_TOOL_PROPERTIES}_parameters": many,
        }


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, evaluate, print; ends with the error's text when something is missing."""
    parser = argparse.ArgumentParser(prog="python -m helpers.evaluate", description=__doc__.splitlines()[0])
    parser.add_argument("data", help="JSONL: xLAM-shaped rows, or OpenAI chat rows with tools")
    parser.add_argument("--limit", type=int, default=0, help="evaluate a seeded sample of this many rows")
    parser.add_argument(
        "--model", default="", help="namespace/name[@version]; the newest customized model unless given"
    )
    given = parser.parse_args(arguments)
    try:
        evaluate(Path(given.data), limit=given.limit, model=given.model)
    except errors.TutorialError as error:
        sys.exit(str(error))


def evaluate(path: Path, *, limit: int = 0, model: str = "") -> dict[str, Any]:
    """Evaluate both models on the rows of `path`; prints the table, writes and returns the result."""
    started = time.monotonic()
    rows = read(path, limit=limit)
    stem = path.name.split(".")[0]
    with services() as platform:
        tuned = find_model(platform, model)
        other = f" or STATE=folder (this is {config.LOCAL_STATE})" if platform.is_local else ""
        print(f"{platform.nim_url} serves {tuned}. For another: MODEL=namespace/name{other}")
        base = entity_store.model(platform, tuned).get("base_model") or config.BASE_MODEL
        upload = put(platform, rows, f"{config.NMS_NAMESPACE}/evaluate-{stem}")
        jobs, found = {}, {}
        for side, name in (("base", base), ("customized", tuned)):
            print(f"Evaluating {name} on {len(rows.kept)} rows of {path.name}")
            target = {"type": "model", "model": name}
            job = evaluator.run(
                platform,
                config=configuration(f"{upload.files_url}/{FILE}"),
                target=target,
                dataset_commit=upload.commit,
                rows=len(rows.kept),
            )
            jobs[side] = job["id"]
            found[side] = evaluator.download_records(platform, job["id"], config.RESULTS_DIR)
    summary = records.summary(found["base"], found["customized"])
    facts = {"base_model": base, "model": tuned, "jobs": jobs, "data": rows.facts(path)}
    facts["mistakes"] = tables.mistakes(found["base"], found["customized"]).to_dict()
    result = {**summary, **facts, "seed": config.SEED, "wall_s": round(time.monotonic() - started, 1)}
    history.keep(history.entry(jobs=jobs, summary=summary, model=tuned, data=path.name, data_commit=upload.commit))
    _show(found["base"], found["customized"], result)
    _write(Path(config.RESULTS_DIR) / f"evaluate-{stem}.json", result)
    return result


def read(path: Path, *, limit: int = 0) -> Rows:
    """The usable rows of a file, or a seeded sample of `limit` of them. Raises `DatasetError`."""
    if limit < 0:
        raise errors.SettingError(f"LIMIT is {limit}.", next_step="give a number of rows, or leave it out for all.")
    if not path.is_file():
        raise errors.DatasetError(
            f"There is no file {path}.", next_step="make evaluate DATA=path/of/your/rows.jsonl [LIMIT=n]"
        )
    report = data.Report()
    kept = data.sample(
        data.convert_rows(data.load_rows(str(path)), report=report, training=False), limit, seed=config.SEED
    )
    if not kept:
        raise errors.DatasetError(
            f"None of the {report.rows} rows of {path.name} can be evaluated.",
            now=f"reasons: {', '.join(f'{n} × {reason}' for reason, n in report.drops.most_common(5)) or 'no rows'}",
            next_step="compare a row with docs/your-own-tools.md.",
        )
    return Rows(kept, report)


@contextmanager
def services() -> Iterator[Platform]:
    """The configured services, a running local_nemo, or one on the state of the last `make run` while needed."""
    if config.NEMO_URL:
        yield connect(config)
        return
    states = [state for state in dict.fromkeys((config.LOCAL_STATE, RUN_STATE)) if running(ROOT / state)]
    if not states and not (ROOT / RUN_STATE / "nemo.db").exists():
        raise errors.MissingState(
            "No local_nemo is running, and there is no state of an earlier `make run` to start one on.",
            next_step="make run (about 20 minutes), then this command again.",
        )
    config.LOCAL_STATE = states[0] if states else RUN_STATE
    platform = connect(config)
    try:
        yield platform
    finally:
        if not states:
            stop = [sys.executable, "-m", "local_nemo", "stop", "--state", str(ROOT / RUN_STATE)]
            subprocess.run(stop, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def find_model(platform: Platform, wanted: str = "") -> str:
    """The customized model to evaluate: the newest that is served, of the given name if any. Raises ModelNotServed."""
    served = nim.models(platform)
    namespace = wanted.split("/")[0] if wanted else config.NMS_NAMESPACE
    names = [f"{one['namespace']}/{one['name']}" for one in entity_store.models(platform, namespace=namespace)]
    matching = [name for name in names if not wanted or wanted in (name, name.split("@")[0])]
    for name in matching:
        if name in served:
            return name
    raise errors.ModelNotServed(
        f"No customized model {wanted or 'of namespace ' + namespace} is served.",
        served=served,
        now=f"NIM serves {', '.join(served) or 'nothing'}.",
        next_step="train one with `make run`, or name one of these: make evaluate DATA=... MODEL=namespace/name",
    )


def put(platform: Platform, rows: Rows, repo: str) -> data_store.Upload:
    """The rows as a file of the Data Store."""
    data_store.ensure_namespace(platform, repo.split("/")[0])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.jsonl"
        file.write_text("".join(json.dumps(row.evaluation_row()) + "\n" for row in rows.kept), encoding="utf-8")
        data_store.ensure_repo(platform, repo)
        return data_store.upload(platform, repo, {FILE: file})


def configuration(files_url: str, *, limit: int = 0, max_tokens: int = MAX_TOKENS) -> dict[str, Any]:
    """The evaluation configuration of the tutorial: greedy answers, bounded in length, tool-calling accuracy."""
    template = {
        "messages": "{{ item.messages | tojson }}",
        "tools": "{{ item.tools | tojson }}",
        "tool_choice": "auto",
        "temperature": 0,
        "max_tokens": max_tokens,
    }
    truth = {"tool_calls_ground_truth": "{{ item.tool_calls | tojson }}"}
    task = {
        "type": "chat-completion",
        "dataset": {"files_url": files_url} | ({"limit": limit} if limit else {}),
        "params": {"template": template},
        "metrics": {"tool-calling-accuracy": {"type": "tool-calling", "params": truth}},
    }
    return {"type": "custom", "tasks": {"custom-tool-calling": task}}


def _show(base: list[records.Record], tuned: list[records.Record], result: dict[str, Any]) -> None:
    facts = result["data"]
    print(f"\n{facts['evaluated']} of {facts['rows']} rows of {facts['file']} evaluated; {facts['outcomes']}")
    for reason, count in facts["dropped"].items():
        print(f"  dropped: {count} × {reason}")
    print(f"\n{tables.scores(base, tuned).to_string()}\n\n{tables.mistakes(base, tuned).to_string()}\n")


def _write(path: Path, result: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(path)
    print(f"written to {path}")


def _most_parameters(row: data.ConvertedRow) -> int:
    return max(len((tool["function"].get("parameters") or {}).get("properties") or {}) for tool in row.tools)


if __name__ == "__main__":
    main()
