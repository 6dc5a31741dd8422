"""Ending an answer at a stop text, also when the text arrives in pieces that split it."""

from __future__ import annotations


class StopTexts:
    """Passes text on as soon as it cannot be the beginning of a stop text any more."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._held = ""
        self.found = False

    def feed(self, piece: str) -> str:
        """The text that may be passed on. After a stop text was found (`found`), nothing more."""
        if not self._stops or self.found:
            return "" if self.found else piece
        self._held += piece
        ends = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if ends:
            self.found = True
            return self._take(min(ends))
        return self._take(len(self._held) - max(self._overlap(stop) for stop in self._stops))

    def finish(self) -> str:
        """What was held back, once no more text comes."""
        return "" if self.found else self._take(len(self._held))

    def _take(self, length: int) -> str:
        text, self._held = self._held[:length], self._held[length:]
        return text

    def _overlap(self, stop: str) -> int:
        return next((n for n in range(min(len(stop) - 1, len(self._held)), 0, -1) if self._held.endswith(stop[:n])), 0)
