"""The tree of errors: drawn completely, every message with its four parts, readable in a notebook."""

import inspect

import pytest

from helpers import errors

CLASSES = [value for _, value in inspect.getmembers(errors, inspect.isclass) if value.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_class_is_drawn_exported_and_explained(kind):
    assert kind.__name__ in (errors.__doc__ or "")
    assert kind.__name__ in errors.__all__
    assert issubclass(kind, errors.TutorialError)
    assert kind.__doc__


def test_exports_are_sorted_and_exist():
    assert errors.__all__ == sorted(errors.__all__)
    assert all(hasattr(errors, name) for name in errors.__all__)


def test_a_message_says_what_is_and_what_to_do_and_where_more_is():
    error = errors.JobFailed("The job c-1 failed.", job={}, now="the disk is full.", next_step="free some space.")
    assert str(error).splitlines() == [
        "The job c-1 failed.",
        "  Now:  the disk is full.",
        "  Next: free some space.",
        "  More: docs/troubleshooting.md#jobfailed",
    ]


def test_a_notebook_shows_the_message_without_a_traceback_through_the_helpers():
    lines = errors.NotFound("gone")._render_traceback_()
    assert len(lines) == 1
    assert lines[0].startswith("NotFound: gone")
