"""Reads a safety model's raw answer strictly: safe, unsafe, or not a verdict at all.

The library's own parsers turn some unreadable answers into "unsafe" (a policy block that nobody decided) and others
into "safe". The guard therefore reads every raw answer a second time with the functions here, and lets a decision
stand only when both agree. One row of `READERS` per output parser.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

WORDS = {"safe": True, "no": True, "unsafe": False, "yes": False}  # "yes" answers "should it be blocked?"


def is_safe(answer: str, parser: str) -> bool | None:
    """True for safe, False for unsafe, None when the answer is not a verdict in the form that `parser` expects."""
    return READERS[parser](answer)


def _json_field(field: str) -> Callable[[str], bool | None]:
    def read(answer: str) -> bool | None:
        try:
            verdict = json.loads(answer, object_pairs_hook=_no_repeats)
        except (ValueError, RecursionError):
            return None
        value = verdict.get(field) if isinstance(verdict, dict) else None
        return {"safe": True, "unsafe": False}.get(value.strip().lower()) if isinstance(value, str) else None

    return read


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a field is stated twice")  # which one would count?
    return dict(pairs)


def _line_field(field: str, words: Mapping[str, bool]) -> Callable[[str], bool | None]:
    pattern = re.compile(rf"^\s*{re.escape(field)}\s*:\s*(\w+)\s*$", re.IGNORECASE | re.MULTILINE)

    def read(answer: str) -> bool | None:
        text = re.sub(r"<think>.*?</think>", "", answer, flags=re.DOTALL)
        found = pattern.findall(text)
        return words.get(found[0].lower()) if len(found) == 1 and "<think>" not in text else None

    return read


def _word(answer: str) -> bool | None:
    """The first word decides, unless the rest of its line takes it back ("no, not safe", "yes and no")."""
    spoken = re.findall(r"[\w']+", next(iter(answer.strip().lower().splitlines()), ""))
    found = {WORDS[word] for word in spoken if word in WORDS}
    doubtful = any(word in ("not", "never") or word.endswith("n't") for word in spoken)
    return found.pop() if spoken and spoken[0] in WORDS and len(found) == 1 and not doubtful else None


SAFETY = {"safe": True, "unsafe": False}
HARM = {"unharmful": True, "harmful": False}
READERS: Mapping[str, Callable[[str], bool | None]] = {
    "nemoguard_parse_prompt_safety": _json_field("User Safety"),
    "nemoguard_parse_response_safety": _json_field("Response Safety"),
    "nemotron_content_safety_parse_prompt_safety": _line_field("User Safety", SAFETY),
    "nemotron_content_safety_parse_response_safety": _line_field("Response Safety", SAFETY),
    "nemotron_reasoning_parse_prompt_safety": _line_field("Prompt harm", HARM),
    "nemotron_reasoning_parse_response_safety": _line_field("Response harm", HARM),
    "is_content_safe": _word,
}
