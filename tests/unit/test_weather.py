"""The check of the weather answers: any unambiguous writing of the day counts, nothing else does."""

import json
from datetime import date

import pytest
from openai.types.chat import ChatCompletionMessage

from helpers.weather import QUESTION, VARIATIONS, is_right, names_day

DAY = date(2025, 11, 7)


@pytest.mark.parametrize(
    "text",
    [
        "2025-11-07", "November 7, 2025", "7 November 2025", "Nov 7 2025", "20251107", "2025/11/07", "2025.11.7",
        "Friday, November 7, 2025", "7th of November 2025", "2025-11-07T00:00:00Z", " november 7 2025 ",
    ],
)  # fmt: skip
def test_an_unambiguous_writing_of_the_day_counts(text):
    assert names_day(text, DAY)


@pytest.mark.parametrize(
    "text",
    [
        "07/11/2025",
        "11/07/2025",
        "07.11.2025",
        "November 7",
        "2025-11",
        "2025-07-11",
        "November 8, 2025",
        "tomorrow",
        "",
    ],
)
def test_an_ambiguous_incomplete_or_other_day_does_not(text):
    assert not names_day(text, DAY)


def test_a_day_above_twelve_has_one_reading():
    assert names_day("25/12/2025", date(2025, 12, 25))


def message(*calls: tuple[str, object]) -> ChatCompletionMessage:
    made = [
        {
            "id": "call",
            "type": "function",
            "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
        }
        for name, given in calls
    ]
    return ChatCompletionMessage.model_validate({"role": "assistant", "content": None, "tool_calls": made or None})


RIGHT = {"location": "Berlin", "date": "2025-11-07"}


@pytest.mark.parametrize(
    ("calls", "right"),
    [
        ([("get_weather", RIGHT)], True),
        ([("get_weather", RIGHT | {"location": "Berlin, Germany"})], True),
        ([], False),
        ([("get_weather", RIGHT), ("get_weather", RIGHT)], False),
        ([("weather", RIGHT)], False),
        ([("get_weather", RIGHT | {"location": "Bern"})], False),
        ([("get_weather", RIGHT | {"unit": "C"})], False),
        ([("get_weather", {"location": "Berlin"})], False),
        ([("get_weather", "{not json")], False),
        ([("get_weather", "5")], False),
        ([("get_weather", "[]")], False),
    ],
)
def test_a_right_call_is_one_call_of_the_tool_with_city_and_day(calls, right):
    assert is_right(QUESTION, message(*calls)) is right


def test_the_variations_differ_in_everything():
    asked = [QUESTION, *VARIATIONS]
    assert len({question.city for question in asked}) == len({question.day for question in asked}) == 6
    assert len({question.tool["function"]["name"] for question in asked}) == 6
