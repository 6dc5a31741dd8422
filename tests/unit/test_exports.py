"""The surface of `helpers`: every module is listed, imports alone, and documents and types what it offers."""

import importlib
import inspect
import pkgutil

import pytest

import helpers

MODULES = sorted(module.name for module in pkgutil.iter_modules(helpers.__path__))


def public(module_name: str) -> list[tuple[str, object]]:
    """Functions and classes that a module defines and does not hide."""
    module = importlib.import_module(f"helpers.{module_name}")
    return [
        (name, value)
        for name, value in inspect.getmembers(module, lambda value: inspect.isfunction(value) or inspect.isclass(value))
        if value.__module__ == module.__name__ and not name.startswith("_") and name != "main"
    ]


def test_the_list_of_modules_is_sorted_and_complete():
    assert sorted(helpers.__all__) == helpers.__all__ == MODULES


@pytest.mark.parametrize("name", MODULES)
def test_every_module_is_named_where_the_package_introduces_itself(name):
    assert name in (helpers.__doc__ or "")


@pytest.mark.parametrize("name", MODULES)
def test_everything_public_says_what_it_does(name):
    module = importlib.import_module(f"helpers.{name}")
    assert module.__doc__
    assert [item for item, value in public(name) if not inspect.getdoc(value)] == []


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_is_typed(name):
    for item, value in public(name):
        if inspect.isfunction(value):
            signature = inspect.signature(value)
            assert signature.return_annotation is not inspect.Signature.empty, item
            for parameter in signature.parameters.values():
                assert parameter.annotation is not inspect.Parameter.empty, f"{item}({parameter.name})"
