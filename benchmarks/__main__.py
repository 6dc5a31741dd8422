"""Measure, and write `results/bench.json`, `results/bench.png` and the table of docs/laptop-to-cluster.md.

python -m benchmarks                        all of it, about an hour on two quiet cores
python -m benchmarks training generation    some parts; what is recorded of the others stays
"""

import argparse
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from helpers import readme
from helpers.series import run_facts

from . import adapters, calls, conversion, evaluation, generation, growth, report, training
from .workbench import ROOT, Workbench

PARTS = {
    "conversion": conversion.measure,
    "training": training.measure,
    "generation": generation.measure,
    "evaluation": evaluation.measure,
    "adapters": adapters.measure,
    "growth": growth.measure,
    "calls": calls.measure,
}
TUNED = {"generation", "evaluation", "adapters", "growth"}  # ask the model that the training made
RECORD = ROOT / "results" / "bench.json"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all unless given")
    asked = parser.parse_args().parts
    if unknown := set(asked) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; parts: {', '.join(PARTS)}")
    chosen = [name for name in PARTS if not asked or name in asked or (name == "training" and TUNED & set(asked))]
    record = json.loads(RECORD.read_text()) if asked and RECORD.exists() else {"parts": {}}
    with Workbench.open() as bench:
        for name in chosen:
            measure(name, bench, record)
    readme.replace_section(readme.CLUSTER_GUIDE, "bench", report.section(record))


def measure(name: str, bench: Workbench, record: dict) -> None:
    """One part into the record, written at once: a later part that fails loses nothing."""
    print(f"--- {name}", flush=True)
    started, load = time.monotonic(), os.getloadavg()[0]
    found = PARTS[name](bench)
    facts = run_facts()
    about = {"recorded": datetime.now(UTC).date().isoformat(), "commit": facts["commit"], "load_before": round(load, 2)}
    record["parts"][name] = found | about | {"took_s": round(time.monotonic() - started)}
    record["machine"] = facts["machine"]
    write(record)


def write(record: dict, path: Path = RECORD) -> None:
    """The record, its plot, and the table on the screen."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if record["parts"].keys() >= report.PLOTTED:
        report.draw(record, path.with_suffix(".png"))
    print(report.table(record), flush=True)


if __name__ == "__main__":
    main()
