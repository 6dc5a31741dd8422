"""The page of endpoints says what the application answers."""

from tests import compatibility


def test_the_compatibility_page_lists_exactly_the_routes_of_the_application() -> None:
    written = compatibility.PATH.read_text(encoding="utf-8")
    assert written == compatibility.page(), "run: python -m tests.compatibility"
