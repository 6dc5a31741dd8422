"""An evaluation of 250 rows by the Evaluator, beside the same requests one at a time."""

import time

from helpers import ask_rows, evaluate, evaluator, nim

from .workbench import Workbench

ROWS = 250
ONE_BY_ONE = 30  # the rate needs no more


def measure(bench: Workbench) -> dict:
    """Seconds of the job from its request to `completed`, and both rates."""
    rows = [row.evaluation_row() for row in bench.splits["test"] + bench.splits["validation"]][:ROWS]
    upload = bench.put("rows", {"testing/rows.jsonl": rows})
    config = evaluate.configuration(f"{upload.files_url}/testing/rows.jsonl")
    started = time.monotonic()
    body = {"target": {"type": "model", "model": bench.tuned}, "config": config}
    job = bench.platform.nemo.post(evaluator.JOBS, json=body)
    evaluator.wait(bench.platform, job["id"])
    seconds = time.monotonic() - started

    some = bench.splits["training"][:: len(bench.splits["training"]) // ONE_BY_ONE][:ONE_BY_ONE]
    started = time.monotonic()
    ask_rows.ask(nim.client(bench.platform), bench.tuned, [row.evaluation_row() for row in some], at_once=1)
    alone = time.monotonic() - started
    scores = evaluator.scores(evaluator.results(bench.platform, job["id"]))
    return {
        "rows": len(rows),
        "seconds": round(seconds, 1),
        "rows_per_s": round(len(rows) / seconds, 2),
        "one_by_one": {"rows": len(some), "seconds": round(alone, 1), "rows_per_s": round(len(some) / alone, 2)},
        "scores": {name: round(score["value"], 4) for name, score in scores.items()},
    }
