"""Tables of sentences: nothing is cut, nothing runs off the page."""

from helpers.text_table import LINE, TextTable

LONG = "a sentence that is longer than the fifty characters at which pandas cuts a text, with a <tag> in it"


def table() -> TextTable:
    return TextTable({"part": ["one", "two"], "fact": [LONG, ""]}).set_index("part")


def test_html_shows_the_whole_text_escaped_and_every_cell_aligned_to_the_left() -> None:
    html = table()._repr_html_()
    assert LONG.replace("<tag>", "&lt;tag&gt;") in html
    assert html.count("<td style=") == 4 and html.count("<th style=") == 2
    assert html.count("text-align:left") == 6


def test_plain_text_wraps_a_long_cell_and_keeps_all_its_words() -> None:
    lines = repr(table()).splitlines()
    assert lines[0].split() == ["part", "fact"]
    assert max(map(len, lines)) <= 4 + 2 + LINE
    assert " ".join(" ".join(lines[1:-1]).removeprefix("one").split()) == LONG
    assert lines[-1] == "two"


def test_numbers_that_only_count_rows_are_not_shown() -> None:
    assert repr(TextTable({"fact": ["short", "long"]})).split() == ["fact", "short", "long"]


def test_it_is_still_a_frame() -> None:
    assert isinstance(table().loc[["one"]], TextTable)
    assert table().loc["one", "fact"] == LONG
    assert repr(TextTable(columns=["part", "fact"])).split() == ["part", "fact"]
