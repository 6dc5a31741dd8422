"""The tool-calling metric: did the model call the right functions, with the right arguments?

Two scores a row, `function_name_accuracy` and `function_name_and_args_accuracy`, computed exactly as NVIDIA's published
`nemo_evaluator_sdk.metrics.tool_calling` computes them (`tests/parity` compares the two): names as case-sensitive sets,
arguments by Python equality after `json.loads`, only choice 0 counts. It fills in no defaults, trims nothing and
accepts one truth only; whatever is more lenient belongs to those who read the records.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

SCORES = ("function_name_accuracy", "function_name_and_args_accuracy")


class RowError(ValueError):
    """This row can't be scored; the text says why. The other rows are not concerned."""


def tool_calling(truth: object, response: object) -> dict[str, float]:
    """Both scores of one row, each 0.0 or 1.0.

    `truth` is a list of OpenAI tool calls with *object* arguments (arguments in a JSON string never equal a parsed
    object); `response` a chat completion. The second score is NaN when the predicted arguments aren't JSON text.
    Raises `RowError` when either has another shape.
    """
    expected = _expected(truth)
    calls = [call for call in predicted_calls(response) if "name" in call["function"]]
    try:
        same_names = {name for name, _ in expected} == {call["function"]["name"] for call in calls}
    except TypeError as error:
        raise RowError(f"a predicted function name is not text: {error}") from error
    try:
        predicted = {call["function"]["name"]: _arguments(call["function"].get("arguments")) for call in calls}
        same_arguments = same_names and all(predicted[name] == value for name, value in dict(expected).items())
        arguments_score = float(same_arguments)
    except (json.JSONDecodeError, TypeError):
        arguments_score = math.nan
    except (RecursionError, ValueError) as error:
        raise RowError(f"the predicted arguments can't be compared: {error}") from error
    return dict(zip(SCORES, (float(same_names), arguments_score), strict=True))


def predicted_calls(response: object) -> list[dict[str, Any]]:
    """`choices[0].message.tool_calls` of a chat completion, each with a `function` object; raises `RowError`."""
    if not isinstance(response, Mapping) or not response:
        raise RowError("there is no response to score: expected a chat completion object")
    choices = response.get("choices")
    if not isinstance(choices, list) or not choices:
        raise RowError("the response has no choices: expected a non-empty list `choices`")
    message = choices[0].get("message") if isinstance(choices[0], Mapping) else None
    if not isinstance(message, Mapping):
        raise RowError("the response has no choices[0].message")
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list) or not all(isinstance(call, Mapping) for call in calls):
        raise RowError("choices[0].message.tool_calls is not a list of objects")
    calls = [{**call, "function": call.get("function", {})} for call in calls]
    if not all(isinstance(call["function"], Mapping) for call in calls):
        raise RowError("choices[0].message.tool_calls holds a call whose `function` is not an object")
    return calls


def _expected(truth: object) -> list[tuple[str, object]]:
    """Names and arguments of the true calls, in order."""
    if not isinstance(truth, list):
        raise RowError(f"the ground truth must be a list of tool calls, not {type(truth).__name__}")
    calls = []
    for position, call in enumerate(truth):
        function = call.get("function") if isinstance(call, Mapping) else None
        if (
            not isinstance(function, Mapping)
            or "arguments" not in function
            or not isinstance(function.get("name"), str)
        ):
            raise RowError(f"ground truth call {position} needs function.name (text) and function.arguments")
        calls.append((function["name"], function["arguments"]))
    return calls


def _arguments(text: Any) -> Any:
    return {} if text is None else json.loads(text)
