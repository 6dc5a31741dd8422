"""One line that updates itself and stays behind once, as its last state.

In Jupyter the line is a display that is replaced, so a saved notebook holds the final line alone and GitHub shows it;
on a terminal it is rewritten in place; anywhere else (CI logs) only the final line is printed. `bar` draws progress
with tqdm's own formatting. Nothing here knows about jobs or HTTP.
"""

import shutil
import sys
from typing import Any, TextIO

from tqdm import tqdm


class Line:
    """Use as a context: `with Line() as line: line.show("...")`. The last text shown stays."""

    def __init__(self, *, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._jupyter = stream is None and _in_jupyter()
        self._handle: Any = None
        self._text = ""

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        if self._text and not self._jupyter:
            self._stream.write(("\r\x1b[K" if self._stream.isatty() else "") + self._text + "\n")
            self._stream.flush()

    def show(self, text: str) -> None:
        """Replace the line by `text`."""
        if text == self._text:
            return
        self._text = text
        if self._jupyter:
            self._display(text)
        elif self._stream.isatty():
            width = shutil.get_terminal_size().columns - 1
            self._stream.write("\r\x1b[K" + text.splitlines()[0][:width])
            self._stream.flush()

    def _display(self, text: str) -> None:
        from IPython.display import display

        data = {"text/plain": text}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)


def bar(done: float, total: float, elapsed: float, *, label: str = "", unit: str = "steps", facts: str = "") -> str:
    """One line of text: label, percentage, bar, count, time spent and left, facts. `elapsed` in seconds."""
    meter = tqdm.format_meter(
        n=done,
        total=total,
        elapsed=elapsed,
        ncols=90,
        prefix=f"{label}: " if label else "",
        bar_format="{desc}{percentage:3.0f}%|{bar:24}| {n:.0f}/{total_fmt} " + unit + " [{elapsed}<{remaining}]",
    )
    return f"{meter}  {facts}" if facts else meter


def _in_jupyter() -> bool:
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return type(get_ipython()).__name__ == "ZMQInteractiveShell"
