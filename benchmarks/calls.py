"""What the server itself costs: small calls at idle and while a training runs, pages of a list of 10,000 objects."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import requests

from helpers import customizer

from .workbench import NAMESPACE, Workbench, median_ms, seconds_each

CALLS = 200
OBJECTS, PAGE = 10_000, 100
WRITERS = 8


def measure(bench: Workbench) -> dict:
    """Medians in milliseconds, each call over a connection that is kept."""
    idle = _small_calls(bench)
    pages = _pages(bench)
    rows = [row.training_row() for row in bench.splits["training"][:64]]
    bench.put("busy", {"training/rows.jsonl": rows, "validation/rows.jsonl": rows[:1]})
    job = bench.start_training("busy", "busy")
    while not customizer.get(bench.platform, job["id"])["status_details"]["steps_completed"]:
        time.sleep(0.2)
    busy = _small_calls(bench)
    customizer.cancel(bench.platform, job["id"])
    return {"calls": CALLS, "idle_ms": idle, "while_training_ms": busy, "objects": OBJECTS, "page_ms": pages}


def _small_calls(bench: Workbench) -> dict:
    with requests.Session() as session:
        urls = {
            "Entity Store, one namespace": f"{bench.platform.nemo_url}/v1/namespaces/{NAMESPACE}",
            "NIM, list of models": f"{bench.platform.nim_url}/v1/models",
            "Customizer, list of jobs": f"{bench.platform.nemo_url}/v1/customization/jobs",
        }
        return {name: median_ms(seconds_each([partial(_get, session, url)] * CALLS)) for name, url in urls.items()}


def _pages(bench: Workbench) -> dict:
    url = f"{bench.platform.nemo_url}/v1/datasets"
    with requests.Session() as session, ThreadPoolExecutor(WRITERS) as pool:
        bodies = [
            {"name": f"object-{number:05}", "namespace": NAMESPACE, "files_url": f"hf://datasets/{NAMESPACE}/rows"}
            for number in range(OBJECTS)
        ]
        for reply in pool.map(lambda body: session.post(url, json=body, timeout=60), bodies):
            reply.raise_for_status()
        last = OBJECTS // PAGE
        return {
            name: median_ms(seconds_each([partial(_get, session, f"{url}?page={page}&page_size={PAGE}")] * 20))
            for name, page in (("first", 1), ("middle", last // 2), ("last", last))
        }


def _get(session: requests.Session, url: str) -> None:
    session.get(url, timeout=60).raise_for_status()
