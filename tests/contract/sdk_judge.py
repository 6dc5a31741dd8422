"""Is a reply what the official SDK declares? Checks the raw JSON against the SDK's own model, all the way down.

The SDK itself never complains: it builds its models without validation and fills what is missing with None. The judge
validates the same JSON strictly: every required field is there, every value has the declared type.
"""

from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel


def judged(raw: Any) -> Any:
    """The parsed reply of a `with_raw_response` call, after checking it. Raises pydantic's `ValidationError`."""
    parsed = raw.parse()
    if raw._cast_to is object and isinstance(parsed, dict):
        return SimpleNamespace(**parsed)  # the SDK declares no more than "any object"
    if not isinstance(parsed, BaseModel):
        raise AssertionError(f"the SDK read {type(parsed).__name__} instead of a model from: {raw.text()[:300]}")
    assert raw.headers["content-type"].startswith("application/json")
    type(parsed).model_validate_json(raw.text(), strict=True)
    return parsed
