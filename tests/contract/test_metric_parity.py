"""The Evaluator's metric equals the published one: NVIDIA's nemo-platform 0.3.0, run beside ours on the same cases."""

import hashlib
import json
import math
import os
import random
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.scores import ARGUMENTS, NAME, published
from local_nemo.evaluation.metric import RowError, predicted_calls, tool_calling
from local_nemo.evaluation.renderer import Renderer, RenderError

FOLDER = Path(__file__).resolve().parents[1] / "parity"
GENERATED = 3000
Case = dict[str, Any]


@pytest.fixture(scope="session")
def reference() -> Callable[[list[Case]], list[Case]]:
    """Asks the published implementation; its environment is made once and kept beside the packages of this one."""
    requirements = FOLDER / "requirements.txt"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:16]
    home = Path(sys.prefix) / "share" / f"metric-parity-{digest}"
    python = home / "bin" / "python"
    if not (home / "complete").exists():
        venv.create(home, clear=True, with_pip=False, symlinks=True)
        install = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-compile"]
        subprocess.run([*install, "-r", str(requirements)], check=True, timeout=300)
        (home / "complete").touch()

    def ask(cases: list[Case]) -> list[Case]:
        lines = "".join(json.dumps(case) + "\n" for case in cases)
        run = [str(python), str(FOLDER / "reference.py")]
        env = {"PATH": os.environ["PATH"]}
        done = subprocess.run(run, input=lines, capture_output=True, text=True, check=True, timeout=300, env=env)
        return [json.loads(line) for line in done.stdout.splitlines()]

    return ask


def call(name: Any, arguments: Any) -> Case:
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def response(*calls: Any) -> Case:
    return {"choices": [{"message": {"role": "assistant", "content": None, "tool_calls": list(calls)}}]}


def asked(truth: list[Any], *calls: Any) -> Case:
    return {"truth": truth, "response": response(*calls)}


F1 = call("f", {"a": 1})
HANDMADE: list[Case] = [
    asked([F1], call("f", '{"a": 1}')),
    asked([F1], call("f", '{"a": 1.0}')),
    asked([F1], call("f", '{"a": true}')),
    asked([F1], call("f", '{"a": "1"}')),
    asked([F1], call("F", '{"a": 1}')),
    asked([F1], call("f", '{"a": 1, "b": null}')),
    asked([F1], call("f", "")),
    asked([F1], call("f", "{a: 1}")),
    asked([F1], call("f", "not json")),
    asked([F1], call("g", "not json")),
    asked([F1], call("f", {"a": 1})),
    asked([F1], call("f", None)),
    asked([call("f", {})], call("f", None)),
    asked([call("f", {})], {"function": {"name": "f"}}),
    asked([call("f", {})], call("f", "null")),
    asked([call("f", None)], call("f", "null")),
    asked([call("f", [1, 2])], call("f", "[1, 2]")),
    asked([call("f", [1, 2])], call("f", "[2, 1]")),
    asked([call("f", '{"a": 1}')], call("f", '{"a": 1}')),
    asked([call("f", '"text"')], call("f", '"\\"text\\""')),
    asked([F1, F1], call("f", '{"a": 1}')),
    asked([F1], call("f", '{"a": 1}'), call("f", '{"a": 1}')),
    asked([F1], call("f", '{"a": 2}'), call("f", '{"a": 1}')),
    asked([F1], call("f", '{"a": 1}'), call("f", '{"a": 2}')),
    asked([call("f", {"a": 2}), F1], call("f", '{"a": 1}')),
    asked([F1, call("g", {})], call("g", "{}"), call("f", '{"a": 1}')),
    asked([F1, call("g", {})], call("g", "{}")),
    asked([F1], call("f", '{"a": 1}'), call("g", "{}")),
    asked([F1], call("f", '{"a": NaN}')),
    asked([call("f", {"a": {"b": [1, {"c": "ü"}]}})], call("f", '{"a": {"b": [1, {"c": "\\u00fc"}]}}')),
    asked([call("f", {"a": 0})], call("f", '{"a": -0.0}')),
    asked([call("f", {"a": 10**20})], call("f", '{"a": 1e20}')),
    asked([call("f", {"a": " x"})], call("f", '{"a": "x"}')),
    asked([call("f.g", {})], call("f_g", "{}")),
    asked([]),
    asked([], call("f", "{}")),
    asked([F1]),
    asked([F1], {"function": {}}),
    asked([F1], {}),
    asked([], {}),
    asked([F1], {"function": {"arguments": "broken"}}, call("f", '{"a": 1}')),
    asked([F1], call(None, '{"a": 1}')),
    asked([F1], call(["f"], '{"a": 1}')),
    asked([F1], call({"n": 1}, '{"a": 1}')),
    asked([F1], call("f", 5)),
    asked([F1], call("f", [1])),
    asked([F1], call("f", '{"a": ' + "9" * 5000 + "}")),
    asked([F1], call("f", "[" * 100_000)),
    asked([F1], {"function": None}),
    asked([F1], "call"),
    asked([F1], None),
    {"truth": [F1], "response": {"choices": [{"message": {"content": "text"}}]}},
    {"truth": [F1], "response": {"choices": [{"message": {"tool_calls": None}}]}},
    {"truth": [], "response": {"choices": [{"message": {"tool_calls": {}}}]}},
    {"truth": [F1], "response": {"choices": [{"message": {"tool_calls": "f"}}]}},
    {"truth": [F1], "response": {"choices": [{"message": None}]}},
    {"truth": [F1], "response": {"choices": [{}]}},
    {"truth": [F1], "response": {"choices": [None]}},
    {"truth": [F1], "response": {"choices": []}},
    {"truth": [F1], "response": {"choices": None}},
    {"truth": [F1], "response": {}},
    {"truth": [F1], "response": None},
    {"truth": [F1], "response": [1]},
    {"truth": [F1], "response": "text"},
    {"truth": [F1], "response": {"choices": [response()["choices"][0], {"message": {"tool_calls": [F1]}}]}},
    {"truth": None, "response": response()},
    {"truth": {}, "response": response()},
    {"truth": "f", "response": response()},
    {"truth": [None], "response": response()},
    {"truth": [{}], "response": response()},
    {"truth": [{"function": None}], "response": response()},
    {"truth": [{"function": {"name": "f"}}], "response": response()},
    {"truth": [{"function": {"name": 1, "arguments": {}}}], "response": response()},
    {"truth": [{"function": {"arguments": {}}}], "response": response()},
    {"truth": [{"name": "f", "arguments": {}}], "response": response(call("f", "{}"))},
]

VALUES = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2.5,
    1.0,
    1e300,
    "",
    "a",
    "A",
    " a",
    "1",
    "true",
    "é",
    "'<&>",
    [],
    [1],
    [1, 2],
    {},
]
NAMES = ["f", "g", "F", "f_g", "f.g", "", "ü"]


def value(rng: random.Random, depth: int = 0) -> Any:
    if depth < 3 and rng.random() < 0.2:
        return [value(rng, depth + 1) for _ in range(rng.randrange(3))]
    if depth < 3 and rng.random() < 0.2:
        return {rng.choice("abc"): value(rng, depth + 1) for _ in range(rng.randrange(3))}
    return rng.choice(VALUES)


def changed(rng: random.Random, truth: list[Case]) -> list[Any]:
    """What a model might have predicted: the truth as JSON text, with a fault or two."""
    calls: list[Any] = [call(one["function"]["name"], json.dumps(one["function"]["arguments"])) for one in truth]
    rng.shuffle(calls)
    for _ in range(rng.choice([0, 0, 1, 2])):
        fault = rng.randrange(6)
        if fault == 0:
            calls.append(call(rng.choice(NAMES), json.dumps(value(rng))))
        elif not calls:
            continue
        elif fault == 1:
            calls.pop(rng.randrange(len(calls)))
        elif fault == 2:
            rng.choice(calls)["function"]["name"] = rng.choice(NAMES)
        elif fault == 3:
            rng.choice(calls)["function"]["arguments"] = json.dumps({rng.choice("abc"): value(rng)})
        elif fault == 4:
            function = rng.choice(calls)["function"]
            function["arguments"] = str(function["arguments"])[: rng.randrange(4)]
        else:
            rng.choice(calls)["function"]["arguments"] = rng.choice([None, 3, {}, "[]", "NaN", '{"a": Infinity}'])
    return calls


def generated(count: int) -> list[Case]:
    rng = random.Random(1234)
    cases = []
    for _ in range(count):
        arguments = [
            {key: value(rng) for key in rng.sample("abcd", rng.randrange(4))} for _ in range(rng.choice([1, 1, 2, 0]))
        ]
        truth = [call(rng.choice(NAMES), one) for one in arguments]
        cases.append(asked(truth, *changed(rng, truth)))
    return cases


def ours(case: Case) -> Case:
    try:
        scores = tool_calling(case["truth"], case["response"])
    except RowError:
        return {"error": True}
    return {"scores": [None if math.isnan(score) else score for score in scores.values()]}


def test_the_metric_equals_the_published_one_on_thousands_of_cases(reference) -> None:
    cases = [*HANDMADE, *generated(GENERATED)]
    published_answers = reference(cases)
    expected = [{"error": True} if "error" in answer else answer for answer in published_answers]
    pairs = zip(cases, expected, strict=True)
    differences = [(case, answer, ours(case)) for case, answer in pairs if answer != ours(case)]
    assert not differences, f"{len(differences)} of {len(cases)}, the first: {differences[0]}"
    outcomes = [json.dumps(answer.get("scores", "error")) for answer in published_answers]
    for outcome in ("[1.0, 1.0]", "[1.0, 0.0]", "[0.0, 0.0]", "[1.0, null]", "[0.0, null]", '"error"'):
        assert outcomes.count(outcome) >= 10, f"too few cases end as {outcome} to prove anything"


def test_the_scores_that_helpers_count_equal_the_published_ones(reference) -> None:
    cases = [case for case in [*HANDMADE, *generated(GENERATED)] if "error" not in ours(case)]
    for case, answer in zip(cases, reference(cases), strict=True):
        scores = published(case["truth"], predicted_calls(case["response"]))
        assert [scores[NAME], scores[ARGUMENTS]] == answer["scores"], case


ROW = {
    "messages": [{"role": "user", "content": "'<&>\" ü"}],
    "k": 3,
    "x": 2.5,
    "none": None,
    "text": "[1, 2]",
    "no-id": 1,
}
TEMPLATES = [
    "{{ item.messages | tojson }}",
    "{{item.messages}}",
    "  {{ item.k }}  ",
    "{{ item.k }} and {{ item.x }}",
    "{{ k }}",
    "text",
    "",
    "{{ item.none }}",
    "{{ item.none | tojson }}",
    "{{ item.text }}",
    "{{ item.text | tojson }}",
    "{{ item.nope }}",
    "{{ nope }}",
    "{{ item['no-id'] }}",
    "[{{ item.k }}, {{ item.x | tojson }}]",
    "tojson {{ item.k }}",
    "{{ item.k + 1 }}",
    "{% if item.k > 2 %}yes{% endif %}",
    "{% for m in item.messages %}{{ m.role }}{% endfor %}",
    "{{ 'tojson' }}",
    "{{ '5 tojson' }}",
    {"messages": "{{ item.messages | tojson }}", "n": 1, "deep": [{"a": "{{ k }}"}, None, True]},
    ["{{ item.x }}", ["{{ item.k }}"]],
    "{{ item.messages[0].content }}",
    "{{ item.messages[9] }}",
    "{{ item.k | upper }}",
    "{{ ''.__class__ }}",
    "{{ item.k",
    "{{ sample.output_text }}",
    "{{ sample.response.choices[0].message | tojson }}",
    "{{ {'a': 1} }}",
    "{{ item.messages | length }}",
    "{{ item | tojson }}",
    "{{ [item.k, item.x] }}",
    "{{ item.x | int }}",
    "{{ true }}",
    "{{ '{{' }}",
    "{{ item.k }}{{ item.k }}",
]


def test_templates_render_as_the_published_ones_do(reference) -> None:
    sample = {"response": response(F1), "output_text": "hello"}
    context = {**ROW, **sample, "item": ROW, "sample": sample}
    answers = reference([{"template": template, "context": context} for template in TEMPLATES])
    with Renderer() as renderer:
        for template, answer in zip(TEMPLATES, answers, strict=True):
            if "error" in answer:
                with pytest.raises(RenderError):
                    renderer.render(template, context)
            else:
                assert renderer.render(template, context) == answer["value"], template
