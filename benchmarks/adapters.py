"""Serving adapters: how soon a new one, what eight cost in memory, a burst over four beside a burst over one."""

import time
from functools import partial

from helpers import customizer, nim

from .workbench import Workbench, at_once

BURST, OVER = 32, 4
ADAPTERS = 8
LONGEST = 420


def measure(bench: Workbench) -> dict:
    """Seven more adapters of one step each; every prompt is asked once, so that no cache answers."""
    rows = bench.between(0, LONGEST, "training")
    prompts = iter([bench.prompt(row) for row in rows])
    few = [row.training_row() for row in rows[:8]]
    bench.put("few", {"training/rows.jsonl": few, "validation/rows.jsonl": few[:1]})

    one_mb, models = bench.resident_mb(), [bench.tuned]
    served: list[float] = []
    for number in range(1, ADAPTERS):
        models.append(_train(bench, f"adapter-{number}", served))
    for model in models:
        bench.complete(model, next(prompts))
    all_mb = bench.resident_mb()
    one, _ = at_once(BURST, [partial(bench.complete, bench.tuned, next(prompts)) for _ in range(BURST)])
    several, _ = at_once(
        BURST, [partial(bench.complete, models[number % OVER], next(prompts)) for number in range(BURST)]
    )
    return {
        "served_after_s": [round(seconds, 2) for seconds in served],
        "adapters": ADAPTERS,
        "memory_mb": {"one": round(one_mb), "all": round(all_mb)},
        "burst_s": {"one adapter": round(one, 2), f"{OVER} adapters": round(several, 2)},
    }


def _train(bench: Workbench, name: str, served: list[float]) -> str:
    """A new adapter; the seconds between `completed` and being listed are appended to `served`."""
    job = bench.start_training("few", name, max_steps=1)
    while job["status"] not in ("completed", "failed", "cancelled"):
        time.sleep(0.1)
        job = customizer.get(bench.platform, job["id"])
    if job["status"] != "completed":
        raise RuntimeError(f"training {job['id']} is {job['status']}; see {bench.platform}")
    completed = time.monotonic()
    while job["output_model"] not in nim.models(bench.platform):
        time.sleep(0.05)
    served.append(time.monotonic() - completed)
    return job["output_model"]
