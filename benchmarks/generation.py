"""Answering: NIM of local_nemo over HTTP beside llama.cpp's server and transformers, same model, adapter and prompts.

32 different requests at once, three sets of them, and ten requests of about 260 tokens one after the other. All get
the prompt as text and answer greedily; that the answers are those of the trainer's own model (transformers in fp32) is
counted row by row. A burst as a client with tools sends it, through the chat endpoint, is shown beside.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import torch
from peft import PeftModel

from helpers import data, nim
from local_nemo.lm.base import bundled_gguf, load_model
from local_nemo.settings import Settings

from . import gguf_adapter
from .llama_cpp import SLOTS, LlamaCpp
from .workbench import MAX_TOKENS, Workbench, at_once, median_ms, seconds_each

BURST, SETS = 32, 3
LONGEST = 420  # tokens: transformers answers them one by one
ALONE, ALONE_TOKENS = 10, (245, 275)  # of the prompt, without the answer


def measure(bench: Workbench) -> dict:
    """Rows per second of each, how many answers are equal, and the time of one request alone."""
    rows = bench.between(0, LONGEST, "test", "validation")
    sets = [rows[start : start + BURST] for start in range(0, SETS * BURST, BURST)]
    alone = [row for row in bench.between(0, 400, "test", "validation", "training") if _fits(bench, row)][:ALONE]
    adapter = bench.adapter(bench.tuned)
    bench.complete(bench.tuned, bench.prompt(rows[-1]))  # the first request of an adapter reads it

    ours = [
        at_once(BURST, [partial(bench.complete, bench.tuned, bench.prompt(row)) for row in burst]) for burst in sets
    ]
    with_tools = [at_once(BURST, [_chat(bench, row) for row in bench.splits["training"][start : start + BURST]])[0]
                  for start in range(0, SETS * BURST, BURST)]  # fmt: skip
    ours_alone = seconds_each([partial(bench.complete, bench.tuned, bench.prompt(row)) for row in alone])
    gguf = gguf_adapter.convert(adapter, bench.base.path, bench.folder / "adapter.gguf")
    with LlamaCpp(bundled_gguf(), gguf, Settings().threads) as peer:
        peer.complete(bench.prompt(rows[-1]))
        theirs = [at_once(BURST, [partial(peer.complete, bench.prompt(row)) for row in burst]) for burst in sets]
        theirs_alone = seconds_each([partial(peer.complete, bench.prompt(row)) for row in alone])
    reference = Reference(bench, adapter)
    seconds, answers = at_once(1, [partial(reference.answer, bench.prompt(row)) for row in sets[0]])

    return {
        "burst": BURST,
        "mean_tokens": round(sum(map(bench.length, sets[0])) / BURST),
        "ours": _rates(ours) | {"equal_to_transformers": _equal(ours[0][1], answers)},
        "ours_with_tools": {"seconds": _rounded(with_tools), "rows_per_s": round(BURST / median(with_tools), 2)},
        "llama_cpp": _rates(theirs) | {"slots": SLOTS, "equal_to_transformers": _equal(theirs[0][1], answers)},
        "transformers": {"seconds": _rounded([seconds]), "rows_per_s": round(BURST / seconds, 2)},
        "alone": {
            "requests": len(alone),
            "ours_ms": median_ms(ours_alone),
            "llama_cpp_ms": median_ms(theirs_alone),
        },
    }


class Reference:
    """The trainer's model: transformers in fp32 with the PEFT adapter, one prompt after the other."""

    def __init__(self, bench: Workbench, adapter: Path) -> None:
        self.model = PeftModel.from_pretrained(load_model(bench.base), str(adapter)).eval()
        self.tokenizer = bench.tokenizer

    def answer(self, prompt: str) -> str:
        """Its greedy answer, without the token that ends it."""
        ids = self.tokenizer(prompt, add_special_tokens=False, return_tensors="pt")
        with torch.inference_mode():
            out = self.model.generate(**ids, max_new_tokens=MAX_TOKENS, do_sample=False)
        return self.tokenizer.decode(out[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)


def _fits(bench: Workbench, row: data.ConvertedRow) -> bool:
    return (
        ALONE_TOKENS[0]
        <= len(bench.tokenizer(bench.prompt(row), add_special_tokens=False)["input_ids"])
        <= ALONE_TOKENS[1]
    )


def _chat(bench: Workbench, row: data.ConvertedRow) -> Callable[[], str]:
    asked = {"messages": row.training_row()["messages"][:-1], "tools": row.training_row()["tools"]}
    client = nim.client(bench.platform, timeout=600)

    def ask() -> str:
        reply = client.chat.completions.create(model=bench.tuned, **asked, temperature=0, max_tokens=MAX_TOKENS)
        return json.dumps(reply.choices[0].message.model_dump())

    return ask


def _rates(bursts: list[tuple[float, list[str]]]) -> dict:
    seconds = [one for one, _ in bursts]
    return {"seconds": _rounded(seconds), "rows_per_s": round(BURST / median(seconds), 2)}


def _rounded(seconds: list[float]) -> list[float]:
    return [round(one, 2) for one in seconds]


def _equal(ours: list[str], theirs: list[str]) -> int:
    return sum(one.strip() == other.strip() for one, other in zip(ours, theirs, strict=True))
