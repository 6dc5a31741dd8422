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


@pytest.mark.parametrize("prefix", ["/v1/customization", "/v1/evaluation", "/v1/deployment", "/v1/models"])
def test_an_answer_is_a_named_schema(prefix: str) -> None:
    for path, operations in API["paths"].items():
        for method, operation in operations.items() if path.startswith(prefix) else ():
            contents = operation["responses"].get("200", {}).get("content", {})
            schemas = [content["schema"] for kind, content in contents.items() if kind == "application/json"]
            free = path.endswith(("/live", "/download-results", "/logs", "/cancel")) or method == "delete"
            assert free or all("$ref" in schema for schema in schemas), f"{method} {path}"


def test_the_page_names_every_schema() -> None:
    text = page(API)
    assert all(f"id='{name}'" in text for name in SCHEMAS)
