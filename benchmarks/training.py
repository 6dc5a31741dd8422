"""LoRA training: our Customizer beside trl's SFTTrainer, on the same rows, to the same validation loss.

The peer makes 40 steps of 8 rows, in bf16 where the processor computes in it and in fp32 where bf16 would be emulated
(measured: not one step in 4 minutes). Its loss is what we must reach; our clock runs from the request, loading and
validating included, the peer's from its first step. One function computes both final losses.
"""

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import torch
from peft import PeftModel

import config
from helpers import customizer
from local_nemo.lm.base import load_model
from local_nemo.lm.prompt import render_answer, render_prompt
from local_nemo.lm.rows import EncodedRow, encode_row
from local_nemo.settings import Settings

from .workbench import LEARNING_RATE, RANK, ROOT, Workbench

LONGEST = 300  # tokens of a row: they bound the peer's time, most of this part's
VALIDATION_ROWS = 32
PEER_STEPS, PEER_ROWS = 40, 8
PEER_RATE = 5e-4  # trl's default of 2e-5 is for full fine-tuning
OUR_STEPS, OUR_ROWS, VALIDATE_EVERY = 64, 4, 8
BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # what /proc/cpuinfo calls it on x86 and ARM


def measure(bench: Workbench) -> dict:
    """Both trainings; leaves our model as `bench.tuned`."""
    training = bench.between(0, LONGEST, "training")
    validation = bench.between(0, LONGEST, "validation")[:VALIDATION_ROWS]
    files = {"training/rows.jsonl": training, "validation/rows.jsonl": validation}
    bench.put("short", {path: [row.training_row() for row in rows] for path, rows in files.items()})
    encoded = [encode_row(bench.tokenizer, row.training_row(), 4096) for row in validation]

    peer = _peer(bench, [row.training_row() for row in training])
    peer["val_loss"] = answer_loss(bench, bench.folder / "peer", encoded)

    ours = bench.train(
        "short", "tuned", max_steps=OUR_STEPS, epochs=2, batch_size=OUR_ROWS, val_check_interval=VALIDATE_EVERY
    )
    bench.tuned = ours["output_model"]
    return {
        "rows": len(training),
        "mean_tokens": round(sum(map(bench.length, training)) / len(training)),
        "validation_rows": len(validation),
        "peer": peer,
        "ours": _ours(ours, peer["val_loss"])
        | {"val_loss_by_peer_function": answer_loss(bench, bench.adapter(bench.tuned), encoded)},
    }


def computes_in_bf16() -> bool:
    """Whether the processor multiplies matrices in bf16 itself."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and not BF16_FLAGS.isdisjoint(cpuinfo.read_text().split())


def answer_loss(bench: Workbench, adapter: Path, rows: list[EncodedRow]) -> float:
    """Mean cross entropy of an answer's token, in fp32, of the base model with a PEFT adapter."""
    model = PeftModel.from_pretrained(load_model(bench.base), str(adapter)).eval()
    total = count = 0.0
    with torch.inference_mode():
        for row in rows:
            ids = torch.tensor([row.ids])
            logits = model(input_ids=ids).logits[0, row.answer_start - 1 : -1]
            total += torch.nn.functional.cross_entropy(logits, ids[0, row.answer_start :], reduction="sum").item()
            count += row.answer_tokens
    return round(total / count, 4)


def _peer(bench: Workbench, rows: list[dict]) -> dict:
    folder = bench.folder / "peer"
    folder.mkdir()
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as file:
        for row in rows:
            prompt = render_prompt(bench.tokenizer, row["messages"][:-1], row["tools"])
            answer = render_answer(row["messages"][-1], row["tools"]) + bench.tokenizer.eos_token
            file.write(json.dumps({"prompt": prompt, "completion": answer}) + "\n")
    request = {
        "base": str(bench.base.path), "rows": str(folder / "rows.jsonl"), "out": str(folder), "steps": PEER_STEPS,
        "rows_per_step": PEER_ROWS, "rank": RANK, "learning_rate": PEER_RATE, "seed": config.SEED,
        "bf16": computes_in_bf16(), "threads": Settings().threads,
    }  # fmt: skip
    (folder / "request.json").write_text(json.dumps(request))
    command = [sys.executable, "-m", "benchmarks.trl_peer", str(folder / "request.json")]
    subprocess.run(command, check=True, cwd=ROOT)
    found = json.loads((folder / "peer.json").read_text())
    return found | {"learning_rate": PEER_RATE, "rows_per_s": round(PEER_STEPS * PEER_ROWS / found["seconds"], 3)}


def _ours(job: dict, wanted_loss: float) -> dict:
    """What the job's own report says of it."""
    curve = customizer.losses(job)["val_loss"]
    began = datetime.fromisoformat(job["created_at"])
    points = [
        [point["step"], point["value"], (datetime.fromisoformat(point["timestamp"]) - began).total_seconds()]
        for point in curve
    ]
    details = job["status_details"]
    seconds = details["tokens"] / details["tokens_per_second"]
    return {
        "seconds": round(seconds, 1),
        "steps": details["steps_completed"],
        "tokens": details["tokens"],
        "learning_rate": LEARNING_RATE,
        "rows_per_s": round(details["steps_completed"] * OUR_ROWS / seconds, 3),
        "peak_rss_mb": details["peak_rss_mb"],
        "val_loss": points[-1][1],
        "curve": points,
        "seconds_to_the_peers_loss": next((second for _, loss, second in points if loss <= wanted_loss), None),
    }
