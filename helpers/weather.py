"""The weather question that the tutorial asks before and after training, and five more in other words.

`WEATHER` and `QUESTION` are the tutorial's example. `VARIATIONS` change the city, the day, the wording and the names of
tool and arguments, so that an answer cannot be remembered. `is_right` checks a call: the tool, the city, and the day in
any unambiguous writing (2025-11-07, 7 November 2025, Nov 7, 2025; not 07/11/2025). None of it is training data.
"""

import json
import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from dateutil import parser
from openai.types.chat import ChatCompletionMessage


@dataclass(frozen=True)
class Question:
    """A question about the weather, the tool offered with it, and the city and day a right call must name."""

    text: str
    tool: dict
    city: str
    day: date

    @property
    def messages(self) -> list[dict]:
        return [{"role": "user", "content": self.text}]


def weather_tool(name: str, city: str, day: str, description: str) -> dict:
    """The schema of a weather tool with two text arguments, called `city` and `day` here."""
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {
                "type": "object",
                "properties": {city: {"type": "string"}, day: {"type": "string"}},
                "required": [city, day],
            },
        },
    }


WEATHER = weather_tool("get_weather", "location", "date", "Get the weather for a given location and date.")
QUESTION = Question("What will the weather be in Berlin on November 7, 2025?", WEATHER, "Berlin", date(2025, 11, 7))
VARIATIONS = (
    Question(
        "Will it rain in Lisbon on January 15, 2026?",
        weather_tool("weather_forecast", "city", "day", "Forecast the weather of a city on a day."),
        "Lisbon",
        date(2026, 1, 15),
    ),
    Question(
        "How warm is it going to be in Nairobi on December 24, 2025?",
        weather_tool("lookup_weather", "place", "date", "Look up temperature and sky for a place and date."),
        "Nairobi",
        date(2025, 12, 24),
    ),
    Question(
        "I'm travelling to Oslo. What's the forecast for March 3, 2026 there?",
        weather_tool("forecast_for", "location", "on_date", "Weather forecast for a location on a date."),
        "Oslo",
        date(2026, 3, 3),
    ),
    Question(
        "Do I need an umbrella in Osaka on June 21, 2026?",
        weather_tool("city_weather", "city_name", "when", "Weather in a city at a given date."),
        "Osaka",
        date(2026, 6, 21),
    ),
    Question(
        "Please check the weather in Quito for February 28, 2026.",
        weather_tool("query_weather_service", "location", "date", "Ask the weather service about a location and date."),
        "Quito",
        date(2026, 2, 28),
    ),
)


def is_right(question: Question, message: ChatCompletionMessage) -> bool:
    """Whether the message is exactly one call of the offered tool, with this city and this day."""
    calls = message.tool_calls or []
    if len(calls) != 1 or calls[0].type != "function":
        return False
    function = question.tool["function"]
    city, day = function["parameters"]["required"]
    try:
        arguments: Any = json.loads(calls[0].function.arguments)
    except ValueError:
        return False
    if not isinstance(arguments, dict):
        return False
    return (
        calls[0].function.name == function["name"]
        and set(arguments) == {city, day}
        and question.city.casefold() in str(arguments[city]).casefold()
        and names_day(str(arguments[day]), question.day)
    )


def names_day(text: str, day: date) -> bool:
    """Whether `text` means this day and cannot mean another: day-first and month-first readings must agree."""
    if year_first := re.match(r"\s*(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})\b", text):
        return tuple(map(int, year_first.groups())) == (day.year, day.month, day.day)
    try:
        return datetime.fromisoformat(text.strip()).date() == day
    except ValueError:
        pass
    readings = set()
    for day_first in (False, True):
        for fallback in (datetime(2001, 2, 3), datetime(2002, 5, 6)):  # two: what is not stated must not be filled in
            try:
                readings.add(parser.parse(text, dayfirst=day_first, default=fallback).date())
            except (ValueError, OverflowError):
                return False
    return readings == {day}
