"""What every benchmark works on: a local_nemo of its own, the tutorial's rows, and a model tuned on them.

    with Workbench.open() as bench:
        bench.put("rows", {"training/rows.jsonl": rows})

The state is `.local_nemo/bench`, emptied at the start. Rows are the laptop profile's: same seed, same splits.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

import config
from helpers import customizer, data, data_store, entity_store, nim
from helpers.platform import Platform
from helpers.series import fresh_local_nemo
from local_nemo.lm.base import Base, load_base
from local_nemo.lm.prompt import render_prompt
from local_nemo.lm.rows import encode_row
from local_nemo.lm.tokenizer import load_tokenizer
from local_nemo.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
STATE = ".local_nemo/bench"  # relative to ROOT
NAMESPACE = "bench"
LAPTOP = config.PROFILES["laptop"]
RANK, LEARNING_RATE = LAPTOP["ADAPTER_DIM"], LAPTOP["LEARNING_RATE"]
MAX_TOKENS = 96  # of an answer; a call takes about 50


@dataclass
class Workbench:
    """`tuned` is the model that the training benchmark made; those after it ask that model."""

    folder: Path
    platform: Platform
    splits: dict[str, list[data.ConvertedRow]]
    base: Base
    tokenizer: Any
    tuned: str = ""

    @classmethod
    @contextmanager
    def open(cls) -> Iterator["Workbench"]:
        """A fresh state and a server on it, which ends with the block."""
        config.NEMO_URL = config.NDS_URL = config.NIM_URL = ""
        base = load_base(Settings())
        splits = data.prepare(data.load_rows("bfcl"), seed=config.SEED, num_examples=LAPTOP["NUM_EXAMPLES"]).splits
        with fresh_local_nemo(STATE) as platform, tempfile.TemporaryDirectory() as folder:
            data_store.ensure_namespace(platform, NAMESPACE)
            entity_store.ensure_namespace(platform, NAMESPACE)
            yield cls(Path(folder), platform, splits, base, load_tokenizer(base))

    def resident_mb(self) -> float:
        """What the server holds in memory now."""
        return psutil.Process(self.platform.local_pid).memory_info().rss / 2**20

    def length(self, row: data.ConvertedRow) -> int:
        """Tokens of a row with its answer."""
        return len(encode_row(self.tokenizer, row.training_row(), 4096).ids)

    def between(self, least: int, most: int, *splits: str) -> list[data.ConvertedRow]:
        """The rows of these splits that have so many tokens, in their order."""
        return [row for split in splits for row in self.splits[split] if least <= self.length(row) <= most]

    def prompt(self, row: data.ConvertedRow) -> str:
        """What the model reads of a row, as text."""
        messages = row.training_row()["messages"][:-1]
        return render_prompt(self.tokenizer, messages, row.training_row()["tools"])

    def put(self, name: str, files: dict[str, Sequence[dict]]) -> data_store.Upload:
        """Upload JSONL files as the dataset `bench/<name>` and register it."""
        local = {path: self.folder / name / path for path in files}
        for path, rows in files.items():
            local[path].parent.mkdir(parents=True, exist_ok=True)
            local[path].write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        upload = data_store.upload(self.platform, f"{NAMESPACE}/{name}", local)
        entity_store.ensure_dataset(self.platform, namespace=NAMESPACE, name=name, files_url=upload.files_url)
        return upload

    def start_training(self, dataset: str, model: str, **hyperparameters: object) -> dict:
        """Create a job of the Customizer as the tutorial does; it trains in a process of its own."""
        request = {
            "config": f"{config.BASE_MODEL}@{config.BASE_MODEL_VERSION}",
            "dataset": {"namespace": NAMESPACE, "name": dataset},
            "output_model": f"{NAMESPACE}/{model}",
            "hyperparameters": {
                "training_type": "sft", "finetuning_type": "lora", "epochs": 1, "batch_size": LAPTOP["BATCH_SIZE"],
                "learning_rate": LEARNING_RATE, "seed": config.SEED, "log_every_n_steps": 1,
                "lora": {"adapter_dim": RANK, "adapter_dropout": 0.0},
            } | hyperparameters,
        }  # fmt: skip
        return customizer.create_job(self.platform, request)

    def train(self, dataset: str, model: str, **hyperparameters: object) -> dict:
        """The completed job, its model served."""
        job = self.start_training(dataset, model, **hyperparameters)
        done = customizer.wait(self.platform, job["id"])
        nim.wait_until_served(self.platform, done["output_model"])
        return done

    def adapter(self, model: str) -> Path:
        """A folder with the files of a customized model, from the Data Store."""
        repo, version = model.split("@")
        folder = self.folder / "adapters" / version
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("adapter_model.safetensors", "adapter_config.json"):
            content = data_store.read_file(self.platform, repo, name, revision=version, repo_type="model")
            (folder / name).write_bytes(content)
        return folder

    def complete(self, model: str, prompt: str) -> str:
        """NIM's greedy answer to a prompt, as the model wrote it."""
        client = nim.client(self.platform, timeout=600)
        reply = client.completions.create(model=model, prompt=prompt, temperature=0, max_tokens=MAX_TOKENS)
        return reply.choices[0].text


def at_once(clients: int, work: Sequence[Callable[[], str]]) -> tuple[float, list[str]]:
    """Seconds until all work is done by so many clients, and the results in order."""
    started = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        results = list(pool.map(lambda one: one(), work))
    return time.monotonic() - started, results


def seconds_each(work: Sequence[Callable[[], object]]) -> list[float]:
    """The time that each piece of work takes, one after the other."""
    found = []
    for one in work:
        started = time.monotonic()
        one()
        found.append(time.monotonic() - started)
    return found


def median_ms(seconds: Sequence[float]) -> float:
    return round(1000 * median(seconds), 1)
