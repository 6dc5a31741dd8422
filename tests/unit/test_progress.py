"""The line that updates itself: its last state stays, once, wherever it is shown."""

import io

import nbformat
import pytest
from nbclient import NotebookClient

from helpers.progress import Line, bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_the_last_text_alone():
    stream = io.StringIO()
    with Line(stream=stream) as line:
        line.show("1 of 3")
        line.show("3 of 3")
    assert stream.getvalue() == "3 of 3\n"


def test_a_terminal_is_rewritten_in_place_and_keeps_every_line_of_the_last_text():
    stream = Terminal()
    with Line(stream=stream) as line:
        line.show("1 of 3")
        line.show("done\n  log: here")
    assert stream.getvalue().split("\r\x1b[K") == ["", "1 of 3", "done", "done\n  log: here\n"]


def test_nothing_shown_is_nothing_written():
    stream = io.StringIO()
    with Line(stream=stream):
        pass
    assert stream.getvalue() == ""


def test_a_bar_tells_share_count_time_and_facts():
    text = bar(30, 120, 60.0, label="training", facts="loss 0.5")
    for part in ("training:  25%|", "30/120 steps", "[01:00<03:00]", "loss 0.5"):
        assert part in text
    assert "0/0" in bar(0, 0, 0.0)


@pytest.mark.filterwarnings("ignore")  # of the Jupyter client's own
def test_a_notebook_keeps_one_output_and_shows_errors_without_a_traceback():
    source = [
        "from helpers.progress import Line\nwith Line() as line:\n    [line.show(f'{n} of 3') for n in (1, 2, 3)]",
        "from helpers.errors import MissingState\nraise MissingState('Nothing yet.', next_step='run notebook 2.')",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in source])
    NotebookClient(notebook, timeout=60, allow_errors=True).execute()
    lines, error = notebook.cells[0].outputs, notebook.cells[1].outputs[0]
    assert [one.data["text/plain"] for one in lines] == ["3 of 3"]
    assert error.ename == "MissingState"
    assert "Next: run notebook 2." in error.traceback[0]
    assert len(error.traceback) == 1
