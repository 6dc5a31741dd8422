"""Strings of a guided answer that grow too long or go in circles are closed, and the answer goes on."""

from local_nemo.lm.chat import ChatRequest
from local_nemo.lm.grammar import guide_for
from local_nemo.lm.watch import Watch, circles


def watch(schema: dict) -> Watch:
    return Watch(guide_for(ChatRequest("m", [], guided={"guided_json": schema})))


def feed(watching: Watch, pieces: list[str]):
    for index, piece in enumerate(pieces):
        if found := watching.feed(piece):
            return index, found
    return None


SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string", "maxLength": 5}, "b": {"type": "string"}},
    "required": ["a", "b"],
}


def test_a_string_is_closed_at_its_longest_length_in_the_middle_of_a_piece():
    index, (kept, rest) = feed(watch(SCHEMA), ['{"a": "', "abc", "defgh"])
    assert (index, kept) == (2, 'de"')
    assert '\\"b\\": ' in rest.whole


def test_a_string_of_just_the_longest_length_is_left_alone():
    assert feed(watch(SCHEMA), ['{"a": "', "abcde", '", "b": "x"}']) is None


def test_an_answer_that_is_nothing_but_a_string_is_watched_from_its_first_quote():
    _, (kept, rest) = feed(watch({"type": "string", "maxLength": 3}), ['"][', "abc"])
    assert kept == 'a"' and rest.whole == 'root ::= ""\n'


def test_an_escaped_character_counts_once():
    assert feed(watch(SCHEMA), ['{"a": "\\n\\n\\n\\n\\n"']) is None
    assert feed(watch(SCHEMA), ['{"a": "\\n\\n\\n\\n\\n', "\\n"]) is not None


def test_a_string_that_goes_in_circles_is_closed():
    pieces = ['{"a": "x", "b": "', *["ha "] * 100]
    index, (kept, _) = feed(watch(SCHEMA), pieces)
    assert kept.endswith('"') and index < 40


def test_after_a_cut_the_next_string_is_watched_too():
    watching = watch(SCHEMA)
    feed(watching, ['{"a": "', "abcdef"])
    assert feed(watching, [', "b": "', *["la "] * 100]) is not None


def test_keys_and_free_text_before_a_call_are_not_cut():
    tool = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
    watching = Watch(guide_for(ChatRequest("m", [], tools=[tool])))
    assert feed(watching, ['"', *["ha "] * 100, '<tool_call>{"name": "f", "arguments": ']) is None
    assert feed(watching, ['{"a": "', "abcdef"]) is not None


def test_circles_are_exact_repetitions():
    assert circles("ab" * 48)
    assert not circles("".join(chr(97 + i % 26) + str(i) for i in range(48))[:96])
