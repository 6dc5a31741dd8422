"""Rules for the notebooks as files, checked without running them: see tests/notebooks for the runs."""

import ast
import re
from pathlib import Path
from statistics import median

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = (
    "1_data_preparation.ipynb",
    "2_finetuning_and_inference.ipynb",
    "3_model_evaluation.ipynb",
    "4_adding_safety_guardrails.ipynb",
)
RECORDED = (ROOT / "results" / "metrics.json").exists()
LONGEST_CELL, MEDIAN_CELL, LONGEST_FUNCTION = 25, 10, 10  # lines
ABSOLUTE = re.compile(r"(?<![\w.:/])/(?:root|home|tmp|work|Users|var|opt|mnt)/")
TOKEN = re.compile(r"hf_[A-Za-z0-9]{20,}|nvapi-[A-Za-z0-9_-]{20,}|WANDB_API_KEY\s*=\s*['\"]?[0-9a-f]{40}")


@pytest.fixture(params=NOTEBOOKS)
def notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    return nbformat.read(ROOT / request.param, as_version=4)


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def trees(notebook: nbformat.NotebookNode) -> list[ast.Module]:
    """Each code cell parsed; lines of IPython magic are left out."""
    sources = (
        "\n".join(line for line in cell.source.splitlines() if line[:1] not in "%!") for cell in code_cells(notebook)
    )
    return [ast.parse(source) for source in sources]


def nodes(notebook: nbformat.NotebookNode, *kinds: type) -> list[ast.AST]:
    return [node for tree in trees(notebook) for node in ast.walk(tree) if isinstance(node, kinds)]


def test_the_series_is_complete() -> None:
    assert sorted(path.name for path in ROOT.glob("*.ipynb")) == list(NOTEBOOKS)


def test_the_file_is_a_valid_notebook(notebook: nbformat.NotebookNode) -> None:
    nbformat.validate(notebook)


def test_cells_were_run_once_from_top_to_bottom(notebook: nbformat.NotebookNode) -> None:
    counts = [cell.execution_count for cell in code_cells(notebook)]
    expected = list(range(1, len(counts) + 1)) if RECORDED else [None] * len(counts)
    assert counts == expected, "`make record` writes outputs and counts"


def test_no_output_is_an_error(notebook: nbformat.NotebookNode) -> None:
    assert not [output for cell in code_cells(notebook) for output in cell.outputs if output.output_type == "error"]


def test_cells_are_short_and_none_is_empty(notebook: nbformat.NotebookNode) -> None:
    lengths = [len(cell.source.splitlines()) for cell in code_cells(notebook)]
    assert min(lengths) > 0
    assert max(lengths) <= LONGEST_CELL
    assert median(lengths) <= MEDIAN_CELL


def test_prose_comes_before_every_code_cell(notebook: nbformat.NotebookNode) -> None:
    kinds = [cell.cell_type for cell in notebook.cells]
    bare = [number for number, pair in enumerate(zip(kinds, kinds[1:], strict=False)) if pair == ("code", "code")]
    assert kinds[0] == "markdown"
    assert not bare, f"code follows code after cells {bare}"


def test_it_opens_with_a_title_and_what_is_needed_and_ends_with_what_is_next(notebook: nbformat.NotebookNode) -> None:
    first, last = notebook.cells[0].source.lower(), notebook.cells[-1].source.lower()
    assert first.startswith("# ")
    for words in ("learn", "need", "minute"):
        assert words in first, words
    assert notebook.cells[-1].cell_type == "markdown"
    assert "what you have now" in last


def test_every_name_can_be_traced_to_its_import(notebook: nbformat.NotebookNode) -> None:
    stars = [node.module for node in nodes(notebook, ast.ImportFrom) if any(name.name == "*" for name in node.names)]
    assert not stars


def test_nothing_that_a_reader_can_cause_is_a_bare_assertion(notebook: nbformat.NotebookNode) -> None:
    assert not nodes(notebook, ast.Assert)


def test_no_cell_sleeps(notebook: nbformat.NotebookNode) -> None:
    calls = [node.func for node in nodes(notebook, ast.Call)]
    assert "sleep" not in [getattr(call, "attr", getattr(call, "id", "")) for call in calls]


def test_no_cell_swallows_errors(notebook: nbformat.NotebookNode) -> None:
    for handler in nodes(notebook, ast.ExceptHandler):
        assert handler.type is not None and ast.unparse(handler.type) not in ("Exception", "BaseException")


def test_functions_in_cells_are_short(notebook: nbformat.NotebookNode) -> None:
    for function in nodes(notebook, ast.FunctionDef, ast.AsyncFunctionDef):
        assert function.end_lineno - function.lineno < LONGEST_FUNCTION, f"{function.name} belongs into helpers"


def test_it_shows_no_absolute_path_and_no_token(notebook: nbformat.NotebookNode) -> None:
    text = nbformat.writes(notebook)
    assert not ABSOLUTE.findall(text)
    assert not TOKEN.findall(text)
