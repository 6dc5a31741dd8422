"""The page of endpoints says what the application answers and what the tests prove."""

import re
from pathlib import Path

import nemo_microservices
import pytest

from tests import compatibility, endpoint_table
from tests.endpoint_table import ALSO, UNSERVED, Row
from tests.endpoints import Calls, expanded

INFERENCE = ("/v1/completions", "/v1/chat/completions", "/v1/embeddings", "/v1/classify")
ELSEWHERE = ("beta", "v2", "intake", "jobs", "data_designer")  # previews, and services that the tutorial doesn't use
CLAIMS = endpoint_table.claims()
ROWS = {row.endpoint: row for row in endpoint_table.rows()}


def test_the_compatibility_page_is_what_application_and_tests_say() -> None:
    written = compatibility.PATH.read_text(encoding="utf-8")
    assert written == compatibility.page(), "run: python -m tests.compatibility"


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_every_endpoint_is_asked_by_a_test_that_says_so(row: Row) -> None:
    proofs = {claim.kind for claim in CLAIMS if claim.endpoint == row.endpoint}
    assert proofs & {"endpoint", "refused"}, f"no test is marked with endpoint({row.endpoint!r})"
    assert not {"endpoint", "refused"} <= proofs, "either it is answered or not"
    assert (row.service == UNSERVED) == ("refused" in proofs), "an application's route can't be refused as a whole"


def test_only_aliases_and_heads_are_answered_without_being_documented() -> None:
    undocumented = [row.endpoint for row in ROWS.values() if row.service == ALSO]
    assert all(one.startswith("HEAD ") or one == "POST /v1/customizations/{id}/cancel" for one in undocumented)


def test_nearly_all_endpoints_are_answered() -> None:
    assert sum(row.status != "refused" for row in ROWS.values()) >= 0.95 * len(ROWS)


def test_every_method_of_the_sdk_for_these_services_is_in_the_table() -> None:
    resources = Path(nemo_microservices.__file__).parent / "resources"
    call = re.compile(r'self\._(get|get_api_list|post|patch|put|delete)\(\s*f?"([^"]+)"')
    declared = {
        f"{verb.removesuffix('_api_list').upper()} {'/nim' if path in INFERENCE else ''}{path}"
        for file in resources.rglob("*.py")
        if file.relative_to(resources).parts[0] not in ELSEWHERE
        for verb, path in call.findall(file.read_text(encoding="utf-8"))
    }
    names = re.compile(r"\{\w+\}")
    known = {names.sub("{}", endpoint) for endpoint in ROWS}
    assert len(declared) > 80
    assert {one for one in declared if names.sub("{}", one) not in known} == set()


def test_a_marker_is_only_true_if_the_endpoint_itself_was_asked_and_answered() -> None:
    calls = Calls([("GET", "/v1/jobs/a/status", 200), ("GET", "/v1/ns/x@v1+2/resolve/main/a/b", 404)])
    assert calls.had("GET /v1/jobs/{id}/status") and not calls.had("GET /v1/jobs/{id}")
    assert not calls.had("POST /v1/jobs/{id}/status")
    assert calls.had("GET /v1/{namespace}/{name}/resolve/{revision}/{path}", 404)
    assert not calls.had("GET /v1/{namespace}/{name}/resolve/{revision}/{path}")


def test_crud_stands_for_the_five_endpoints_of_a_kind() -> None:
    assert expanded("CRUD /v1/x")[2:] == [f"{verb} /v1/x/{{namespace}}/{{name}}" for verb in ("GET", "PATCH", "DELETE")]
    assert expanded("CRUD /v1/namespaces")[3] == "PATCH /v1/namespaces/{id}"
