"""Duplicates, near-duplicates and splits."""

import random

import pytest

from helpers import data
from helpers.data import duplicates

CITIES = ["Oslo", "Rome", "Lima", "Kyiv", "Cairo", "Quito", "Hanoi", "Accra", "Seoul", "Dhaka"]


def row(query: str, *tools: str, id: str = "") -> data.ConvertedRow:
    """A row that calls the first of the tools it offers."""
    listed = [{"name": name, "parameters": {}} for name in tools or ("f",)]
    return data.convert({"id": id, "query": query, "answers": [{"name": listed[0]["name"]}], "tools": listed})


def raw(query: str, tool: str = "f") -> dict:
    return {"query": query, "answers": [{"name": tool, "arguments": {}}], "tools": [{"name": tool, "parameters": {}}]}


def nonsense(count: int, seed: int = 0) -> list[str]:
    """Questions that have nothing in common."""
    letters = random.Random(seed)
    word = lambda: "".join(letters.choices("abcdefghijklmnopqrstuvwxyz", k=7))  # noqa: E731
    return [" ".join(word() for _ in range(8)) for _ in range(count)]


def groups(*queries: str) -> list[list[int]]:
    return duplicates.groups([row(query) for query in queries])


def test_case_punctuation_and_spaces_make_no_new_question() -> None:
    report = data.Report()
    rows = [raw("What is up?"), raw("what  is up"), raw("WHAT IS UP!?"), raw("What is down?")]
    assert len(list(data.convert_rows(rows, report=report))) == 2
    assert report.drops == {"same question and tool as an earlier row": 2}


def test_the_same_question_to_another_tool_is_no_duplicate_but_stays_in_its_split() -> None:
    report = data.Report()
    rows = list(data.convert_rows([raw("What is up?", "f"), raw("What is up?", "g")], report=report))
    assert len(rows) == 2
    assert duplicates.groups(rows) == [[0, 1]]


def test_other_numbers_make_a_near_duplicate() -> None:
    assert groups("Area of a circle with radius 3.", "Area of a circle with radius 10.5!", "Sing a song.") == [
        [0, 1],
        [2],
    ]


def test_one_word_of_many_makes_a_near_duplicate_and_half_of_them_does_not() -> None:
    long = "please find me a quiet flat near the old harbour with two rooms and a {}"
    assert groups(long.format("garden"), long.format("balcony")) == [[0, 1]]
    assert groups("book a flight to Rome", "book a table in Rome tonight for four") == [[0], [1]]


def test_near_duplicates_are_found_in_writing_without_spaces() -> None:
    assert groups("请告诉我今天北京的天气情况怎么样", "请告诉我今天上海的天气情况怎么样", "我想听一首关于大海的歌") == [
        [0, 1],
        [2],
    ]


def test_likeness_passes_on_from_row_to_row() -> None:
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    steps = [" ".join(words[:10]), " ".join([*words[1:10], "eleven"]), " ".join([*words[3:10], "eleven", "twelve"])]
    assert groups(*steps) == [[0, 1, 2]]


@pytest.mark.parametrize("strategy", ["random", "unseen-tools"])
def test_near_duplicates_never_straddle_splits(strategy: str) -> None:
    base = nonsense(200)
    rows = [raw(f"{query} {number}", f"tool{n % 50}") for n, query in enumerate(base) for number in ("3", "x 44")]
    prepared = data.prepare(rows, seed=1, strategy=strategy)
    homes: dict[str, set[str]] = {}
    for name, part in prepared.splits.items():
        for each in part:
            homes.setdefault(" ".join(each.query.split()[:8]), set()).add(name)
    assert len(homes) == 200
    assert all(len(home) == 1 for home in homes.values())


def test_no_tool_of_the_unseen_tools_test_occurs_in_training() -> None:
    choose = random.Random(3)
    names = [f"tool{n}" for n in range(60)]
    rows = [
        {**raw(query, called := choose.choice(names)), "tools": [{"name": called}, *offered(choose, names, called)]}
        for query in nonsense(600)
    ]
    prepared = data.prepare(rows, seed=1, strategy="unseen-tools")
    tools = {name: {tool for row in part for tool in row.tool_names} for name, part in prepared.splits.items()}
    assert not tools["test"] & tools["training"]
    assert not tools["test"] & tools["validation"]
    assert not tools["validation"] & tools["training"]
    assert all(row.name in row.tool_names for part in prepared.splits.values() for row in part)
    assert len(prepared.splits["test"]) == pytest.approx(90, abs=20)
    assert sum(map(len, prepared.splits.values())) == 600
    assert len(prepared.unseen) == len(prepared.splits["test"])


def offered(choose: random.Random, names: list[str], called: str) -> list[dict]:
    return [{"name": name} for name in choose.sample(names, 3) if name != called]


def test_the_report_counts_test_rows_whose_tools_training_has() -> None:
    rows = [raw(query, "common" if n % 2 else f"rare{n}") for n, query in enumerate(nonsense(100))]
    prepared = data.prepare(rows, seed=5)
    test = prepared.splits["test"]
    seen = sum(row.name == "common" for row in test)
    counted = prepared.report.facts["test_rows"]
    assert 0 < seen < len(test)
    assert counted["call_a_tool_called_in_training"] == seen
    assert counted["no_tool_seen_in_training"] == len(prepared.unseen) == len(test) - seen


def test_the_seed_decides_and_the_order_of_the_rows_does_not() -> None:
    rows = [raw(query) for query in nonsense(100)]
    ids = lambda prepared: {name: [row.query for row in part] for name, part in prepared.splits.items()}  # noqa: E731
    first = ids(data.prepare(rows, seed=1))
    assert first == ids(data.prepare(rows, seed=1)) == ids(data.prepare(rows[::-1], seed=1))
    assert first != ids(data.prepare(rows, seed=2))


def test_more_rows_move_few_of_the_others() -> None:
    queries = nonsense(1_000)
    before = data.prepare([raw(query) for query in queries[:900]], seed=1).splits
    after = data.prepare([raw(query) for query in queries], seed=1).splits
    home = {row.query: name for name, part in after.items() for row in part}
    moved = [row for name, part in before.items() for row in part if home[row.query] != name]
    assert len(moved) < 40


def test_a_sample_is_of_the_asked_size_and_by_seed() -> None:
    rows = [raw(query) for query in nonsense(100)]
    prepared = data.prepare(rows, seed=1, num_examples=40)
    assert sum(map(len, prepared.splits.values())) == prepared.report.facts["sample"] == 40
    assert prepared.report.usable == 100
    other = data.prepare(rows, seed=2, num_examples=40)
    chosen = [{row.query for part in each.splits.values() for row in part} for each in (prepared, other)]
    assert chosen[0] != chosen[1]
    assert sum(map(len, data.prepare(rows, seed=1, num_examples=5_000).splits.values())) == 100


def test_too_few_usable_rows_say_what_the_others_were_dropped_for() -> None:
    rows = [raw("a question"), {"query": "two calls", "answers": [{"name": "f"}] * 2, "tools": [{"name": "f"}]}]
    with pytest.raises(data.EmptyDataset, match="1 of 2 rows") as error:
        data.prepare(rows, seed=1)
    assert "more than one tool call" in str(error.value)
    with pytest.raises(data.EmptyDataset):
        data.prepare([], seed=1)


def test_an_unknown_strategy_names_the_known_ones() -> None:
    with pytest.raises(data.DatasetError, match="random, unseen-tools"):
        data.prepare([raw(query) for query in nonsense(5)], seed=1, strategy="stratified")
