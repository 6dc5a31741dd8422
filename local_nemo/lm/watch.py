"""Notices, while a guided answer is written, that a string in it has become too long or goes in circles.

A grammar does not bound the length of strings, so a model that loops would never reach the end of its call. `feed` says
where such a string is to be closed, and what guides the answer from there on.
"""

from __future__ import annotations

from .grammar import Guide

TAIL = 96  # characters that must repeat to count as going in circles
LONGEST_PERIOD = 32


class Watch:
    """Follows the text of one guided answer."""

    def __init__(self, guide: Guide) -> None:
        self._guide = guide
        self._text = ""
        self._from: int | None = None  # where the JSON begins, once it is known
        self._quoted = self._escaped = False
        self._length = 0  # characters of the open string, an escaped one counting once
        self._recent = ""  # the open string's last characters

    def feed(self, piece: str) -> tuple[str, Guide] | None:
        """Take the next text. Where a string must end in it: (what to keep of it, with the quote; the new guide)."""
        for index, character in enumerate(piece):
            before, self._text = self._text, self._text + character
            if self._from is None:
                self._from = self._guide.json_begins(self._text)
                if self._from is None or self._from == len(self._text):
                    continue  # else this character is the first of the JSON, maybe a quote
            grew = self._follow(character)
            too_long = grew and self._length > min(self._guide.limits)
            if too_long and (rest := self._guide.after_limit(before, self._length - 1)):
                return self._closed(piece[:index], before), rest
            if grew and len(self._recent) == TAIL and circles(self._recent) and (rest := self._guide.after(self._text)):
                return self._closed(piece[: index + 1], self._text), rest
        return None

    def _follow(self, character: str) -> bool:
        """Note one character; True if the open string grew by it."""
        if not self._quoted:
            if character == '"':
                self._quoted, self._length, self._recent = True, 0, ""
            return False
        if character == '"' and not self._escaped:
            self._quoted = False
            return False
        ends_escape, self._escaped = self._escaped, character == "\\" and not self._escaped
        self._length += not ends_escape
        self._recent = (self._recent + character)[-TAIL:]
        return not ends_escape

    def _closed(self, kept: str, text: str) -> str:
        self._text, self._quoted, self._escaped = text + '"', False, False
        return kept + '"'


def circles(text: str) -> bool:
    """Whether a text is one short piece again and again."""
    return any(text[period:] == text[:-period] for period in range(1, LONGEST_PERIOD + 1))
