"""Preparing xLAM: 60,000 rows through notebook 1's load, prepare and write, beside `json.loads` of the same lines.

The rows are made by seed in xLAM's shape: 1 to 5 tools each, one to three of them called, types as Python writes them.
"""

import json
import random
import subprocess
import sys
import time

from .workbench import ROOT, Workbench

SIZES = (15_000, 30_000, 60_000)
TYPES = ("str", "int", "float", "bool", "str, optional", "List[int]", "int, optional", "List[str]")


def measure(bench: Workbench) -> dict:
    """Seconds and peak memory of each size."""
    found = []
    for size in SIZES:
        file = bench.folder / f"xlam-{size}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows(size)), encoding="utf-8")
        started = time.monotonic()
        for line in file.read_text(encoding="utf-8").splitlines():
            json.loads(line)
        loads = time.monotonic() - started
        command = [sys.executable, "-m", "benchmarks.convert_rows", str(file), str(bench.folder / "out")]
        done = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        found.append({"rows": size, "json_loads_s": round(loads, 2)} | json.loads(done.stdout.splitlines()[-1]))
    return {"sizes": found}


def rows(count: int, seed: int = 1):
    """Rows in xLAM's shape, all different."""
    chance = random.Random(seed)
    words = [f"word{number}" for number in range(5000)]
    tools = [_tool(chance, number, words) for number in range(3600)]
    for number in range(count):
        offered = chance.sample(tools, chance.randint(1, 5))
        called = chance.sample(offered, min(len(offered), chance.choice((1, 1, 2, 3))))
        answers = [
            {
                "name": one["name"],
                "arguments": {name: _value(chance, kind["type"], words) for name, kind in one["parameters"].items()},
            }
            for one in called
        ]
        query = " ".join(chance.choices(words, k=18)) + f" {number}"
        yield {"id": number, "query": query, "answers": json.dumps(answers), "tools": json.dumps(offered)}


def _tool(chance: random.Random, number: int, words: list[str]) -> dict:
    parameters = {
        f"{chance.choice(words)}_{place}": {
            "description": " ".join(chance.choices(words, k=9)),
            "type": chance.choice(TYPES),
        }
        for place in range(chance.randint(1, 5))
    }
    return {"name": f"tool_{number}", "description": " ".join(chance.choices(words, k=12)), "parameters": parameters}


def _value(chance: random.Random, kind: str, words: list[str]) -> object:
    kind = kind.split(",")[0]
    made = {
        "str": chance.choice(words),
        "int": chance.randint(0, 99),
        "float": chance.random(),
        "bool": chance.random() < 0.5,
    }
    return (
        made[kind]
        if kind in made
        else [chance.randint(0, 9) if "int" in kind else chance.choice(words) for _ in range(3)]
    )
