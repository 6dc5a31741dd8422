"""README and docs say what is: targets, settings, errors, links, examples and figures are compared with the source."""

import importlib
import importlib.util
import json
import pkgutil
import re
from pathlib import Path

import pytest

import config
import helpers
from helpers import readme
from helpers.deployments import nim_request
from helpers.doctor import SAFETY_MODEL
from helpers.errors import TutorialError

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SETTINGS = [name for name in vars(config) if name.isupper() and not name.startswith("_") and name != "PROFILES"]


def text_of(*pages: Path) -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in pages)


def fences(language: str) -> list[str]:
    """The fenced blocks of one language on all pages."""
    return [body for page in PAGES for kind, body in FENCE.findall(text_of(page)) if kind == language]


def commands() -> str:
    """Everything that a page sets as code."""
    prose = text_of(*PAGES)
    return "\n".join([*fences("bash"), *re.findall(r"`([^`\n]+)`", FENCE.sub("", prose))])


def headings(page: Path) -> list[str]:
    return re.findall(r"^#+ (.+)$", FENCE.sub("", text_of(page)), re.MULTILINE)


def anchor(heading: str) -> str:
    """The fragment that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def links(page: Path) -> list[str]:
    """Targets of links and images, Markdown or HTML."""
    prose = FENCE.sub("", text_of(page))
    return re.findall(r"\]\(([^)\s]+)\)", prose) + re.findall(r'(?:src|href)="([^"]+)"', prose)


def test_every_make_target_on_a_page_exists_and_every_target_is_on_a_page() -> None:
    makefile = text_of(ROOT / "Makefile")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)", commands()))
    assert named - targets == set(), "named in the docs, not in the Makefile"
    assert targets - named == set(), "in the Makefile, not in the docs"


def test_every_module_and_script_that_a_command_runs_exists() -> None:
    for module in re.findall(r"python3? -m ([\w.]+)", commands()):
        assert importlib.util.find_spec(module), f"python -m {module}"
    for script in re.findall(r"python3? ([\w/]+\.py)", commands()):
        assert (ROOT / script).exists(), script
    for data in re.findall(r"(?:-d @|DATASET=)([\w/]+\.\w+)", commands()):
        assert (ROOT / data).exists(), data


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_documented(name: str) -> None:
    assert f"`{name}`" in text_of(readme.CLUSTER_GUIDE)


def test_every_variable_of_the_server_that_a_page_names_exists() -> None:
    from local_nemo.settings import Settings

    known = {f"LOCAL_NEMO_{name.upper()}" for name in Settings.__dataclass_fields__}
    assert set(re.findall(r"LOCAL_NEMO_\w+", text_of(*PAGES))) <= known


def every_error() -> list[str]:
    """The names of all errors that helpers raise on purpose, wherever they are defined."""
    for module in pkgutil.walk_packages(helpers.__path__, "helpers."):
        importlib.import_module(module.name)
    found, waiting = set(), [TutorialError]
    while waiting:
        error = waiting.pop()
        found.add(error.__name__)
        waiting += error.__subclasses__()
    return sorted(found)


@pytest.mark.parametrize("name", every_error())
def test_every_error_has_the_heading_that_its_message_points_to(name: str) -> None:
    assert name in headings(ROOT / "docs" / "troubleshooting.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_and_images_exist(page: Path) -> None:
    for link in links(page):
        if link.startswith(("https://", "http://")):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), f"{page.name} points to {link}"
        if fragment:
            assert fragment in map(anchor, headings(target)), f"{page.name} points to {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_picture_has_an_alternative_text(page: Path) -> None:
    prose = text_of(page)
    assert not re.search(r"!\[\s*\]\(", prose)
    assert all(re.search(r'alt="[^"]{20,}"', tag) for tag in re.findall(r"<img [^>]*>", prose))


def test_fenced_json_is_valid() -> None:
    blocks = fences("json")
    assert len(blocks) >= 5
    for block in blocks:
        try:
            json.loads(block)
        except ValueError as error:
            pytest.fail(f"{error} in\n{block}")


def test_the_shown_requests_are_the_ones_in_the_files_and_in_the_helpers() -> None:
    shown = [json.loads(block) for block in fences("json")]
    deploy = json.loads(text_of(ROOT / "examples" / "deploy_nim.json"))
    assert deploy == nim_request("meta/llama-3.2-1b-instruct")
    assert deploy in shown
    assert nim_request(SAFETY_MODEL, image_tag="1.10.1", calls_tools=False) in shown, "as notebook 4 sends it"
    assert json.loads(text_of(ROOT / "examples" / "weather_request.json")) in shown


@pytest.mark.parametrize(("page", "name"), readme.sections(), ids=lambda part: getattr(part, "name", part))
def test_numbers_on_the_pages_equal_their_sources(page: Path, name: str) -> None:
    assert readme.section_of(page, name) == readme.sections()[page, name], "python -m helpers.readme writes it anew"


def test_no_page_advises_what_is_unsafe_or_shows_paths_of_one_machine() -> None:
    prose = text_of(*PAGES)
    for bad in ("0.0.0.0", "--allow-root", "/root/", "/work/", "/tmp/", "gemma-3.2"):
        assert bad not in prose


def test_the_changelog_names_the_version_that_the_project_has() -> None:
    version = re.search(r'^version = "(.+)"', text_of(ROOT / "pyproject.toml"), re.MULTILINE)[1]
    assert f"## {version}" in text_of(ROOT / "CHANGELOG.md")


def test_contributing_stays_at_ten_lines() -> None:
    assert len(re.findall(r"^\d+\. ", text_of(ROOT / "CONTRIBUTING.md"), re.MULTILINE)) == 10
