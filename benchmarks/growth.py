"""How the work grows: training time with rows, answers per second with clients."""

from functools import partial

from .workbench import Workbench, at_once

ROWS = (16, 32, 48, 64, 96)
LONGEST = 300
CLIENTS = (1, 2, 4, 8, 16, 32)
LEAST_REQUESTS = 8


def measure(bench: Workbench) -> dict:
    """One pass over so many rows, the seconds of its steps; then bursts of new prompts by more and more clients."""
    rows = bench.between(0, LONGEST, "training")
    training = []
    for size in ROWS:
        name = f"grow-{size}"
        some = [row.training_row() for row in rows[:size]]
        bench.put(name, {"training/rows.jsonl": some, "validation/rows.jsonl": some[:1]})
        details = bench.train(name, name)["status_details"]
        seconds = details["tokens"] / details["tokens_per_second"]
        training.append({"rows": size, "tokens": details["tokens"], "seconds": round(seconds, 1)})

    prompts = iter([bench.prompt(row) for row in reversed(bench.between(0, 420, "training"))])
    serving = []
    for clients in CLIENTS:
        work = [partial(bench.complete, bench.tuned, next(prompts)) for _ in range(max(clients, LEAST_REQUESTS))]
        seconds, _ = at_once(clients, work)
        serving.append({"clients": clients, "requests": len(work), "rows_per_s": round(len(work) / seconds, 2)})
    return {"training": training, "serving": serving}
