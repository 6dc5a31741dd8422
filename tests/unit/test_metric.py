"""The tool-calling metric: the published rules, one test each. `tests/contract` compares thousands of cases."""

import math

import pytest

from local_nemo.evaluation.metric import RowError, tool_calling
from local_nemo.evaluation.metric_types import METRIC_TYPES
from tests.scripted_model import completion


def truth(*calls: tuple[str, object]) -> list[dict]:
    return [{"type": "function", "function": {"name": name, "arguments": arguments}} for name, arguments in calls]


def score(expected: list[tuple[str, object]], answered: list[tuple[str, object]]) -> list[float]:
    return list(tool_calling(truth(*expected), completion(calls=answered)).values())


def test_the_same_function_with_equal_arguments_scores_both() -> None:
    assert score([("f", {"a": 1, "b": [True]})], [("f", {"b": [True], "a": 1.0})]) == [1.0, 1.0]


def test_no_call_where_none_is_expected_is_right() -> None:
    assert score([], []) == [1.0, 1.0]


@pytest.mark.parametrize("name", ["F", "f ", "g"])
def test_another_name_loses_both_scores(name: str) -> None:
    assert score([("f", {})], [(name, {})]) == [0.0, 0.0]


@pytest.mark.parametrize("given", [{"a": "1"}, {}, {"a": 1, "b": None}, {"a": [1]}])
def test_other_arguments_lose_the_second_score_alone(given: dict) -> None:
    assert score([("f", {"a": 1})], [("f", given)]) == [1.0, 0.0]


def test_order_of_calls_and_repetition_do_not_matter() -> None:
    assert score([("f", {}), ("g", {"a": 1})], [("g", {"a": 1}), ("f", {}), ("f", {})]) == [1.0, 1.0]


def test_truth_arguments_in_a_json_string_never_match() -> None:
    assert score([("f", '{"a": 1}')], [("f", {"a": 1})]) == [1.0, 0.0]


@pytest.mark.parametrize("name", ["f", "other"])
def test_unreadable_arguments_are_not_a_number_whatever_the_name(name: str) -> None:
    names, arguments = score([("f", {})], [(name, "{broken")])
    assert names == float(name == "f")
    assert math.isnan(arguments)


@pytest.mark.parametrize(
    ("expected", "response", "reason"),
    [
        ({"f": 1}, completion(), "must be a list"),
        ([{"function": {"name": "f"}}], completion(), "function.arguments"),
        ([], None, "no response"),
        ([], {"choices": []}, "no choices"),
        ([], {"choices": [{"text": "x"}]}, "choices\\[0\\].message"),
    ],
)
def test_what_cannot_be_scored_is_an_error_of_the_row(expected: object, response: object, reason: str) -> None:
    with pytest.raises(RowError, match=reason):
        tool_calling(expected, response)


def test_text_metrics_compare_as_usual_for_question_answering() -> None:
    sample = {"response": None, "output_text": "The  cat, sat."}
    assert METRIC_TYPES["em"].score("cat sat", sample) == {"em": 1.0}
    assert METRIC_TYPES["f1"].score("a cat ran", sample) == {"f1": 0.5}
    assert METRIC_TYPES["string-check"].score(["abc", "contains", "b"], sample) == {"string-check": 1.0}
    with pytest.raises(RowError, match="startswith"):
        METRIC_TYPES["string-check"].score(["abc", "resembles", "b"], sample)
