"""Runs NVIDIA's published metric and template rendering, in an environment that holds nemo-platform 0.3.0.

One JSON request a line on standard input, one JSON answer a line on standard output:

    {"truth": [...], "response": {...}}      ->  {"scores": [1.0, null]}       null for NaN
    {"template": "...", "context": {...}}    ->  {"value": ...}
    either                                   ->  {"error": "TypeError"}        when the published code raises
"""

import importlib.util
import json
import math
import sys
import types
from pathlib import Path
from typing import Any

# The package's own __init__ imports clients of a dozen services; the metric needs none of them.
spec = importlib.util.find_spec("nemo_evaluator_sdk")
package = types.ModuleType("nemo_evaluator_sdk")
package.__path__ = [str(Path(spec.origin).parent)]
sys.modules["nemo_evaluator_sdk"] = package

from nemo_evaluator_sdk.metrics.tool_calling import ToolCallingMetric  # noqa: E402
from nemo_evaluator_sdk.templates import render_template  # noqa: E402

METRIC = ToolCallingMetric(reference="{{ item.truth | tojson }}")
SCORES = ("function_name_accuracy", "function_name_and_args_accuracy")


def answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        if "template" in request:
            value = render_template(request["template"], request["context"])
            return {"value": json.loads(json.dumps(value))}
        scores = METRIC._metric({"truth": request["truth"]}, {"response": request["response"]})
        return {"scores": [None if math.isnan(scores[name]) else scores[name] for name in SCORES]}
    except Exception as error:
        return {"error": type(error).__name__}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
