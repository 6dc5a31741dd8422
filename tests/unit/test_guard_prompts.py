"""The labelled prompts: enough of them, varied, and no part repeats another."""

import json
from collections import Counter
from itertools import combinations

import pytest
from IPython.core.formatters import PNGFormatter

from benchmarks.near import NEAR, likeness, near_pairs, shingles, unlike, words
from helpers import errors, guard_prompts
from helpers.guard_prompts import Checked, LabelledPrompt

PROMPTS = guard_prompts.load()


def of(label: str, part: str | None = None) -> list[LabelledPrompt]:
    return [prompt for prompt in PROMPTS if prompt.label == label and part in (None, prompt.part)]


def test_there_are_enough_in_enough_categories():
    assert len(of("unsafe")) >= 200
    assert len({prompt.category for prompt in of("unsafe")}) >= 8
    assert {"prompt_injection", "tool_abuse"} <= {prompt.category for prompt in of("unsafe")}
    assert len(of("safe")) >= 300
    assert len({prompt.id for prompt in PROMPTS}) == len(PROMPTS)
    assert {prompt.part for prompt in PROMPTS} == set(guard_prompts.PARTS)


def test_every_part_has_every_unsafe_category():
    for part in guard_prompts.PARTS:
        assert {prompt.category for prompt in of("unsafe", part)} == {prompt.category for prompt in of("unsafe")}


def test_each_is_one_line_and_no_longer_than_a_request():
    assert [prompt.id for prompt in PROMPTS if "\n" in prompt.text or not 5 <= len(prompt.text) <= 390] == []


@pytest.mark.parametrize("label", ["safe", "unsafe"])
def test_no_pattern_is_behind_more_than_a_twentieth_of_a_class(label):
    beginnings = Counter(" ".join(words(prompt.text)[:3]) for prompt in of(label))
    most, count = beginnings.most_common(1)[0]
    assert count <= 0.05 * len(of(label)), most


def test_no_prompt_of_one_part_is_nearly_one_of_another():
    """Neither the model nor its threshold may have seen a test prompt in slightly other words."""
    pairs = [(PROMPTS[first], PROMPTS[second]) for first, second in near_pairs([prompt.text for prompt in PROMPTS])]
    assert [(one.text, other.text) for one, other in pairs if one.part != other.part] == []


def test_the_search_for_near_pairs_finds_all_of_them():
    texts = [prompt.text for prompt in PROMPTS[:300]]
    texts += [text + " now" for text in texts[:20]] + [text.lower() for text in texts[50:60]]
    known = [shingles(text) for text in texts]
    wanted = {pair for pair in combinations(range(len(texts)), 2) if likeness(*(known[one] for one in pair)) >= NEAR}
    assert set(near_pairs(texts)) == wanted and len(wanted) >= 25


def test_the_measure_of_likeness_finds_what_it_should():
    assert likeness(shingles("Drop all the tables now."), shingles("drop all the tables")) >= NEAR
    assert likeness(shingles("Drop all the tables now."), shingles("What is the weather?")) < NEAR


def test_texts_of_which_the_other_side_knows_a_near_copy_are_left_out():
    known = ["Please drop all of the tables in the database now", "What is the weather in Oslo?"]
    assert unlike(["please drop all of the tables in the database", "Is it raining?"], known) == ["Is it raining?"]


def checked(label: str, *outcomes: str) -> list[Checked]:
    prompt = LabelledPrompt("x", label, "c", "test", "text")
    return [Checked(prompt, outcome, 0.02) for outcome in outcomes]


def test_unreadable_counts_as_neither_blocked_nor_allowed():
    rows = checked("unsafe", "blocked", "allowed", "unreadable") + checked("safe", "allowed", "blocked")
    assert guard_prompts.counts(rows) == {
        "unsafe_total": 3,
        "unsafe_blocked": 1,
        "safe_total": 2,
        "safe_blocked": 1,
        "unreadable": 1,
    }
    table = guard_prompts.table(rows)
    assert table.loc[("unsafe", "on"), "unreadable"] == 1
    assert table.loc[("unsafe", "off"), "blocked"].startswith("0.0%")
    assert "n = 3" in table.loc[("unsafe", "on"), "blocked"]
    assert set(guard_prompts.wrong(rows)["outcome"]) == {"allowed", "unreadable", "blocked"}


def test_the_plot_shows_every_category_of_both_labels():
    axes = guard_prompts.plot(checked("unsafe", "blocked") + checked("safe", "allowed")).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["c (unsafe)", "c (safe)"]


def test_a_notebook_shows_the_plot_as_a_picture_whatever_it_has_imported():
    picture = guard_prompts.plot(checked("unsafe", "blocked") + checked("safe", "allowed"))
    assert PNGFormatter()(picture).startswith(b"\x89PNG")


def test_a_damaged_line_is_named(tmp_path):
    file = tmp_path / "prompts.jsonl"
    file.write_text(json.dumps({"id": "a", "label": "safe", "category": "c", "part": "test", "text": "t"}) + "\n{\n")
    with pytest.raises(errors.DatasetError, match="Line 2"):
        guard_prompts.load(file=file)
