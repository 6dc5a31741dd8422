"""The walls of the house: who may import whom, how long a file may grow, and that each says what it is."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST_FILE = 350  # lines
HEAVY = {"torch", "transformers", "peft", "accelerate", "optimum", "openvino", "openvino_genai"}
UNPICKLING = {"torch.load", "torch.jit.load", "joblib.load", "pd.read_pickle", "pandas.read_pickle"}
FILES = sorted(path.relative_to(ROOT) for folder in ("helpers", "local_nemo") for path in (ROOT / folder).rglob("*.py"))


def parse(file: Path) -> ast.Module:
    return ast.parse((ROOT / file).read_text(encoding="utf-8"), filename=str(file))


def imports(file: Path) -> set[str]:
    """Every module that a file imports, relative imports resolved, those inside functions included."""
    package = list(file.with_suffix("").parts[:-1])
    found = set()
    for node in ast.walk(parse(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def top_level(file: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(file)}


@pytest.mark.parametrize("file", FILES, ids=str)
def test_helpers_and_local_nemo_never_import_each_other(file: Path) -> None:
    other = {"helpers": {"local_nemo"}, "local_nemo": {"helpers", "config"}}[file.parts[0]]
    assert not top_level(file) & other


@pytest.mark.parametrize("file", [file for file in FILES if file.parts[:2] == ("local_nemo", "api")], ids=str)
def test_the_http_layer_holds_no_model_code(file: Path) -> None:
    assert not top_level(file) & HEAVY


@pytest.mark.parametrize("file", [file for file in FILES if file.parts[:2] == ("local_nemo", "lm")], ids=str)
def test_the_language_model_knows_no_http(file: Path) -> None:
    assert not top_level(file) & {"fastapi", "starlette", "uvicorn", "requests", "httpx"}
    assert not {name for name in imports(file) if name.startswith("local_nemo.api")}


@pytest.mark.parametrize("file", [file for file in FILES if file.parts[0] == "helpers"], ids=str)
def test_helpers_need_none_of_the_packages_that_only_local_nemo_has(file: Path) -> None:
    assert not top_level(file) & (HEAVY | {"fastapi", "uvicorn", "sqlmodel", "sqlalchemy", "nemoguardrails"})


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_file_is_short_and_says_what_it_is(file: Path) -> None:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    assert len(lines) <= LONGEST_FILE, "split it at its second noun"
    assert ast.get_docstring(parse(file)), "a module docstring: purpose, contract, limits"


@pytest.mark.parametrize("file", FILES, ids=str)
def test_nothing_unpickles_and_no_error_is_swallowed(file: Path) -> None:
    assert not top_level(file) & {"pickle", "dill", "marshal", "shelve"}
    for call in (node for node in ast.walk(parse(file)) if isinstance(node, ast.Call)):
        assert ast.unparse(call.func) not in UNPICKLING, f"line {call.lineno}: use safetensors or JSON"
        assert not {word.arg for word in call.keywords} & {"allow_pickle", "weights_only"}, f"line {call.lineno}"
    for handler in (node for node in ast.walk(parse(file)) if isinstance(node, ast.ExceptHandler)):
        assert handler.type is not None, f"bare except in line {handler.lineno}"
