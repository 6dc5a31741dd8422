"""Stop texts end an answer, however it is cut into pieces, and nothing else is lost."""

import pytest

from local_nemo.lm.stop_texts import StopTexts


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_a_stop_text_split_at_every_size_is_found(size):
    text, stops = "one two STOP three", StopTexts(("STOP", "never"))
    pieces = [stops.feed(text[at : at + size]) for at in range(0, len(text), size)]
    assert "".join(pieces) + stops.finish() == "one two "
    assert stops.found


def test_a_beginning_that_does_not_become_a_stop_text_is_passed_on():
    stops = StopTexts(("STOP",))
    assert stops.feed("a ST") + stops.feed("ART") + stops.finish() == "a START"
    assert not stops.found


def test_the_earliest_of_several_stop_texts_wins():
    stops = StopTexts(("c", "b"))
    assert stops.feed("abc") == "a"


def test_without_stop_texts_everything_passes_at_once():
    assert StopTexts(()).feed("abc") == "abc"
