"""The metrics that an evaluation config may name: one table row each.

A metric has templates among its parameters, which are rendered over the row (`item`) and the answer (`sample`), and a
function from the rendered values and the answer to one or more scores. A new metric is a function and a row here.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local_nemo.evaluation import metric
from local_nemo.evaluation.errors import EvaluationRefused
from local_nemo.evaluation.metric import RowError

Sample = Mapping[str, Any]  # {"response": chat completion or None, "output_text": str or None}


@dataclass(frozen=True)
class MetricType:
    """`parameters` are alternatives: exactly one must be given, and holds the template(s)."""

    parameters: tuple[str, ...]
    scores: tuple[str, ...]
    score: Callable[[Any, Sample], dict[str, float]]
    is_truth: bool = True  # the rendered parameter is what the row should have been answered with

    def template(self, name: str, params: Mapping[str, Any]) -> Any:
        """The one template parameter; raises `EvaluationRefused` that names what is expected."""
        given = [key for key in self.parameters if key in params]
        unknown = set(params) - set(self.parameters)
        if len(given) != 1 or unknown:
            raise EvaluationRefused(
                f"metric {name!r} needs exactly one parameter, {' or '.join(self.parameters)}; got {sorted(params)}"
            )
        return params[given[0]]


def _tool_calling(truth: Any, sample: Sample) -> dict[str, float]:
    return metric.tool_calling(truth, sample.get("response"))


CHECKS: dict[str, Callable[[str, str], bool]] = {
    "equals": lambda left, right: left == right,
    "==": lambda left, right: left == right,
    "not equals": lambda left, right: left != right,
    "!=": lambda left, right: left != right,
    "<>": lambda left, right: left != right,
    "contains": lambda left, right: right in left,
    "not contains": lambda left, right: right not in left,
    "startswith": lambda left, right: left.startswith(right),
    "endswith": lambda left, right: left.endswith(right),
}


def _string_check(check: Any, sample: Sample) -> dict[str, float]:
    if not (isinstance(check, list) and len(check) == 3 and all(isinstance(part, str) for part in check)):
        raise RowError("string-check needs `check`: [left text, operation, right text]")
    left, operation, right = check
    if operation not in CHECKS:
        raise RowError(f"string-check knows {', '.join(CHECKS)}, not {operation!r}")
    return {"string-check": float(CHECKS[operation](left, right))}


def _words(text: Any) -> list[str]:
    """Lower case, without punctuation and English articles: the usual normalization of question answering scores."""
    if not isinstance(text, str):
        raise RowError(f"expected text to compare, not {type(text).__name__}")
    plain = "".join(character for character in text.lower() if character not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", plain).split()


def _exact_match(truth: Any, sample: Sample) -> dict[str, float]:
    return {"em": float(_words(truth) == _words(sample.get("output_text")))}


def _f1(truth: Any, sample: Sample) -> dict[str, float]:
    expected, answered = _words(truth), _words(sample.get("output_text"))
    common = sum((Counter(expected) & Counter(answered)).values())
    if not common:
        return {"f1": float(expected == answered)}
    return {"f1": 2 * common / (len(expected) + len(answered))}


METRIC_TYPES = {
    "tool-calling": MetricType(("tool_calls_ground_truth", "reference"), metric.SCORES, _tool_calling),
    "string-check": MetricType(("check",), ("string-check",), _string_check, is_truth=False),
    "em": MetricType(("ground_truth",), ("em",), _exact_match),
    "f1": MetricType(("ground_truth",), ("f1",), _f1),
}
