"""What is made of records: one kind of mistake a row, near misses, groups, the accepted score, the summary."""

import json
from pathlib import Path
from typing import Any

import pytest

from helpers import conclusion, history, plots, records, tables
from helpers.errors import DatasetError
from helpers.mistakes import KINDS, Mistake, mistake, near_miss
from helpers.scores import ACCEPTED, ARGUMENTS, NAME, accepted, published
from tests.scripted_model import completion

RIGHT = ("book", {"city": "New York", "seats": 2})
Answer = dict[str, Any] | None


def record(answer: Answer, index: int = 0, *, tools: tuple[str, ...] = ("book", "cancel"), **item: Any) -> dict:
    """A record of a row that should have been answered with `RIGHT`."""
    truth = [{"type": "function", "function": {"name": RIGHT[0], "arguments": RIGHT[1]}}]
    predicted = answer["choices"][0]["message"].get("tool_calls", []) if answer else []
    return {
        "task": "t",
        "index": index,
        "query": f"question {index}",
        "item": {"tool_calls": truth, "row": index, **item},
        "tools": [{"type": "function", "function": {"name": name}} for name in tools],
        "truth": truth,
        "response": answer,
        "predicted": predicted,
        "scores": published(truth, predicted) if answer else {},
        "error": None if answer else "request: timeout",
        "latency_s": 0.5,
        "prompt_tokens": 9,
        "completion_tokens": 3,
    }


def calling(name: str = "book", **arguments: Any) -> dict:
    return completion(calls=[(name, arguments)])


ANSWERS: dict[str, Answer] = {
    "not answered": None,
    "no call": completion("I can't do that."),
    "unreadable call": completion('<tool_call>{"name": "book"'),
    "unknown function": calling("reserve", city="New York", seats=2),
    "wrong function": calling("cancel"),
    "missing argument": calling(city="New York"),
    "extra argument": calling(city="New York", seats=2, window=True),
    "wrong type": calling(city="New York", seats="two"),
    "wrong value": calling(city="Boston", seats=2),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_wrong_answer_has_its_kind(kind: str) -> None:
    assert mistake(record(ANSWERS[kind])).kind == kind


def test_a_right_answer_has_no_kind() -> None:
    assert mistake(record(calling(**RIGHT[1]))) is None


def test_arguments_that_are_not_json_are_an_unreadable_call() -> None:
    assert mistake(record(completion(calls=[("book", "{city")]))).kind == "unreadable call"


def test_a_renamed_argument_is_a_missing_one_and_a_second_call_is_a_wrong_function() -> None:
    assert mistake(record(calling(town="New York", seats=2))).kind == "missing argument"
    assert mistake(record(completion(calls=[RIGHT, ("cancel", {})]))).kind == "wrong function"


def test_a_mistake_says_what_is_wrong_and_how_nearly_it_was_right() -> None:
    expected = Mistake("wrong value", "city: 'new york' instead of 'New York'", "case")
    assert mistake(record(calling(city="new york", seats=2))) == expected
    assert mistake(record(calling(city="new york", seats=3))).near_miss is None, "one value is plainly wrong"


@pytest.mark.parametrize(
    ("expected", "given", "miss"),
    [
        ("New York", "new york", "case"),
        ("New York", " New  York", "whitespace"),
        ("1,000", "1000", "number format"),
        (5, "5", "number format"),
        ("5.0", 5, "number format"),
        ("50%", "0.5", "number format"),
        ("2025-11-07", "November 7, 2025", "date format"),
        ("2025-11-07", "7 Nov 2025", "date format"),
        ("2025-11-07", "11/07/2025", "date format"),
        ("2025-11-07", "07/11/2025", "date format"),
        ("2025-11-07", "2025-07-11", None),
        ("2025-11-07", "2025-11-08", None),
        (["a", "B"], ["A", "B"], "case"),
        (["a", "B"], ["A", "C"], None),
        ({"x": "1.0"}, {"x": "1"}, "number format"),
        ("Berlin", "Paris", None),
        (True, 1, None),
        ("yes", True, None),
        ("2023", "2024", None),
        ([1], "1", None),
    ],
)
def test_near_misses_are_told_from_other_values(expected: Any, given: Any, miss: str | None) -> None:
    assert near_miss(expected, given) == miss


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        (calling(city="New York", seats=2), 1.0),
        (calling(city="NYC", seats=2), 1.0),
        (calling(city="NYC"), 1.0),
        (calling(seats=2), 0.0),
        (calling(city="NYC", seats=2, window=True), 0.0),
        (calling("cancel", city="NYC"), 0.0),
        (completion(calls=[("book", "{")]), 0.0),
        (None, None),
    ],
)
def test_any_accepted_value_counts_and_optional_arguments_may_be_left_out(answer: Answer, score: float | None) -> None:
    assert accepted(record(answer, accepted={"city": ["New York", "NYC"], "seats": [2, ""]})) == score


def test_rows_without_accepted_values_have_no_third_score() -> None:
    assert accepted(record(calling(**RIGHT[1]))) is None
    assert set(records.rates([record(None)])) == {NAME, ARGUMENTS}


def both() -> tuple[list[dict], list[dict]]:
    """A base model that never calls, and a tuned one with a right row and one of every kind of mistake."""
    answers = [calling(**RIGHT[1]), *ANSWERS.values()]
    base = [record(completion("no"), index) for index in range(len(answers))]
    return base, [record(answer, index) for index, answer in enumerate(answers)]


def test_the_summary_has_the_shape_of_metrics_json() -> None:
    base, tuned = both()
    found = records.summary(base, tuned[::-1])
    assert found["n"] == 10
    assert found["base"][NAME] == 0.0
    assert found["customized"][NAME] == pytest.approx(5 / 9), "the row that was not answered is left out"
    assert found["customized"]["scored"] == {NAME: 9, ARGUMENTS: 9}
    assert found["customized"]["failed_rows"] == 1
    low, high = found["customized"]["ci95"][NAME]
    assert low < 5 / 9 < high
    json.dumps(found, allow_nan=False)


def test_models_are_compared_on_the_same_rows_only() -> None:
    base, tuned = both()
    with pytest.raises(DatasetError, match="not of the same rows"):
        records.summary(base[1:], tuned)


def test_the_mistakes_of_every_row_add_up_to_all_rows() -> None:
    base, tuned = both()
    frame = tables.mistakes(base, tuned)
    assert list(frame["tuned model"]) == [1, *[1] * len(KINDS), 10]
    assert frame.loc["no call", "base model"] == 10


def test_tables_show_rates_with_intervals_rows_and_a_test() -> None:
    line = tables.scores(*both()).loc["right function"]
    assert line["base model"].startswith("0.0 % (0.0 – ")
    assert (line["rows"], line["better"], line["worse"]) == (9, 5, 0)
    assert float(line["p (McNemar, exact)"]) == pytest.approx(0.062, abs=0.001)


def test_groups_by_number_of_tools_and_by_what_training_has_seen(tmp_path: Path) -> None:
    base, tuned = both()
    assert tables.by(records.number_of_tools, base, tuned).index.tolist() == ["2"]
    training = tmp_path / "training.jsonl"
    training.write_text(json.dumps({"tools": [{"function": {"name": "book"}}]}) + "\n")
    assert records.seen_in(training)(tuned[0]) == "seen in training"
    training.write_text("")
    assert records.seen_in(training)(tuned[0]) == "not seen in training"


def test_examples_show_one_row_of_each_kind_in_full() -> None:
    frame = tables.examples(both()[1])
    assert frame.index.tolist() == list(KINDS)
    assert frame.loc["wrong value", "answer"] == 'book(city="Boston", seats=2)'
    assert records.table(*both()).loc[0, "tuned mistake"] == ""


def test_plots_show_every_kind_and_every_score() -> None:
    base, tuned = both()
    axes = plots.mistakes(base, tuned).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(KINDS)
    assert len(plots.scores(base, tuned).axes[0].containers) >= 2
    curves = {"train_loss": [{"step": 9, "value": 1.0}], "val_loss": [{"step": 9, "value": 0.5}]}
    lines = plots.losses({"status_details": {"metrics": {"metrics": curves}}}).axes[0].get_lines()
    assert [list(line.get_xdata()) for line in lines] == [[10], [10]]


def test_history_keeps_each_pair_of_jobs_once_and_shows_what_changed(tmp_path: Path) -> None:
    summary = records.summary(*both())
    for number, epochs in enumerate((1, 2)):
        job = {
            "hyperparameters": {"epochs": epochs, "max_steps": 8 * epochs, "seed": 5},
            "status_details": {"val_loss": 0.5, "elapsed_time": 60.0},
        }
        jobs = {"base": "eval-base", "customized": f"eval-{number}"}
        line = history.entry(jobs=jobs, summary=summary, model=f"ns/m@{number}", data="bfcl", training=job)
        assert history.keep(line, folder=tmp_path)
        assert not history.keep(line, folder=tmp_path)
    with (tmp_path / "history.jsonl").open("a") as file:
        file.write('{"cut off')
    frame = history.table(folder=tmp_path)
    assert frame["epochs"].tolist() == [1, 2]
    assert frame["max_steps"].tolist() == [8, 16]
    assert "seed" not in frame, "what never changed is left out"
    assert any(name.startswith("tuned: right function") for name in frame)


def test_the_conclusion_is_written_from_the_numbers() -> None:
    base, tuned = both()
    text = repr(conclusion.of(base, tuned))
    assert "**Right function**: 0.0 % (0.0 – 27.8) of 10 rows before, 55.6 % (26.7 – 81.1) of 9 after." in text
    assert "no surprise by chance alone (p = 0.062)" in text
    assert "What is left: 8 wrong rows; **" in text and "** is the most frequent mistake (1 of them, 12%)." in text
    assert "0 rows of the base model and 1 of the tuned one were not answered" in text


def test_a_difference_is_called_one_only_if_the_test_finds_it() -> None:
    base = [record(completion("no"), index, accepted={"city": ["NYC"], "seats": [2]}) for index in range(10)]
    tuned = [record(calling(**RIGHT[1]), index, accepted={"city": ["NYC"], "seats": [2]}) for index in range(10)]
    tuned[9] = record(calling(city="NYC", seats=2), 9, accepted={"city": ["NYC"], "seats": [2]})
    better, worse = repr(conclusion.of(base, tuned)), repr(conclusion.of(tuned, base))
    assert "The tuned model is better: 10 rows gained, 0 lost (McNemar's exact p = 0.002)" in better
    assert "1 rows are wrong by the first accepted value and right by another one" in better
    assert "The tuned model is worse: 0 rows gained, 10 lost" in worse
    assert "**no call** is the most frequent mistake (10 of them, 100%)" in worse


def test_the_scores_that_are_not_published_have_words_too() -> None:
    assert set(tables.WORDS) == {NAME, ARGUMENTS, ACCEPTED}
