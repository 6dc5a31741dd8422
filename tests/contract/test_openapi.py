"""The API's own description: every body is a named schema and shows an example, at `/docs` as in `/openapi.json`."""

from typing import Any

import pytest

from local_nemo.api.app import create_app
from local_nemo.api.pages import page

API = create_app(None).openapi()
SCHEMAS = API["components"]["schemas"]
BODIES = {
    f"{method.upper()} {path}": content["schema"]
    for path, operations in API["paths"].items()
    for method, operation in operations.items()
    for content in operation.get("requestBody", {}).get("content", {}).values()
}
ANSWERS = {
    f"{method.upper()} {path}": content["schema"]
    for path, operations in API["paths"].items()
    for method, operation in operations.items()
    for status, answer in operation["responses"].items()
    for kind, content in answer.get("content", {}).items()
    if status in ("200", "201") and kind == "application/json"
}


def has_example(schema: Any, deep: int = 8) -> bool:
    """Is there an example in the schema, or in one it refers to?"""
    if isinstance(schema, list):
        return any(has_example(one, deep) for one in schema)
    if not isinstance(schema, dict) or not deep:
        return False
    if "examples" in schema:
        return True
    if "$ref" in schema:
        return has_example(SCHEMAS[schema["$ref"].rpartition("/")[2]], deep - 1)
    return any(has_example(value, deep) for value in schema.values())


@pytest.mark.parametrize("endpoint", BODIES)
def test_a_request_body_is_a_schema_with_an_example(endpoint: str) -> None:
    schema = BODIES[endpoint]
    assert "$ref" in schema or schema.get("title"), "a named schema"
    assert has_example(schema)


@pytest.mark.parametrize("endpoint", ANSWERS)
def test_an_answer_is_a_named_schema_with_an_example(endpoint: str) -> None:
    schema = ANSWERS[endpoint]
    assert "$ref" in schema or "$ref" in schema.get("items", {}), "a named schema, or a list of one"
    assert has_example(schema)


def test_schemas_have_names_of_their_own() -> None:
    assert [name for name in SCHEMAS if "__" in name or "-" in name] == [], "two classes of one name"


def test_the_page_names_every_schema() -> None:
    text = page(API)
    assert all(f"id='{name}'" in text for name in SCHEMAS)
