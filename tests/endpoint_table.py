"""The table of endpoints in docs/compatibility.md, from the application's routes and the markers of the tests.

The markers (see `tests.endpoints`) are read from the source, so that writing the page needs no test run; the tests
themselves check that their markers tell the truth.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from local_nemo.api.app import create_app
from tests.endpoints import MARKERS, expanded

TESTS = Path(__file__).resolve().parent
UNSERVED = "Not served"
ALSO = "Also answered"


@dataclass
class Row:
    """An endpoint in the table."""

    endpoint: str
    service: str
    summary: str
    tests: list[str] = field(default_factory=list)  # files that have it answered, or refused
    missing: list[str] = field(default_factory=list)
    refused: str = ""

    @property
    def status(self) -> str:
        return "refused" if self.refused else "partly" if self.missing else "supported"

    @property
    def details(self) -> str:
        return "; ".join([self.refused] if self.refused else self.missing)

    def cells(self) -> str:
        method, path = self.endpoint.split(" ")
        proofs = ", ".join(f"[{Path(file).stem.removeprefix('test_')}](../tests/{file})" for file in self.tests)
        status = f"{self.status}: {self.details}" if self.details else self.status
        return f"| `{method}` | `{path}` | {self.summary} | {status} | {proofs} |"


@dataclass(frozen=True)
class Claim:
    """What a marker says of an endpoint."""

    kind: str
    endpoint: str
    file: str
    text: str


def claims() -> list[Claim]:
    """Every marker in the sources of the tests."""
    return [
        claim
        for folder in ("server", "contract")
        for path in sorted((TESTS / folder).glob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        for claim in _claims_of(node, f"{folder}/{path.name}")
    ]


def _claims_of(call: ast.Call, file: str) -> Iterator[Claim]:
    place, _, kind = ast.unparse(call.func).rpartition(".")
    if place != "pytest.mark" or kind not in MARKERS:
        return
    options = {one.arg: ast.literal_eval(one.value) for one in call.keywords}
    text = {"endpoint": "", "partly": "{missing} ({status})", "refused": "{status}, {instead}"}[kind].format(**options)
    for argument in call.args:
        for endpoint in expanded(ast.literal_eval(argument)):
            yield Claim(kind, endpoint, file, text)


def rows() -> list[Row]:
    """The application's routes and what only tests name (aliases, refusals), with what the tests prove of them."""
    found = {
        f"{method.upper()} {path}": Row(f"{method.upper()} {path}", operation["tags"][0], operation["summary"])
        for path, operations in create_app(None).openapi()["paths"].items()
        for method, operation in operations.items()
    }
    for claim in claims():
        service = UNSERVED if claim.kind == "refused" else ALSO
        row = found.setdefault(claim.endpoint, Row(claim.endpoint, service, ""))
        if claim.kind == "partly":
            row.missing.append(claim.text)
        if claim.kind == "refused":
            row.refused = claim.text
        if claim.file not in row.tests:
            row.tests.append(claim.file)
    return list(found.values())


def section() -> str:
    """The part of the page that lists the endpoints."""
    found = rows()
    services: dict[str, list[Row]] = {}
    for row in found:
        services.setdefault(row.service, []).append(row)
    tables = [
        f"### {service}\n\n| method | path | what it does | status | proven in |\n|---|---|---|---|---|\n"
        + "\n".join(row.cells() for row in those)
        for service, those in services.items()
    ]
    return f"## Endpoints\n\n{counts(found)}\n\n" + "\n\n".join(tables) + "\n"


def counts(found: list[Row]) -> str:
    number = Counter(row.status for row in found)
    answered = number["supported"] + number["partly"]
    return (
        f"{len(found)} endpoints: {answered} ({answered / len(found):.1%}) are supported: {number['supported']} "
        f"({number['supported'] / len(found):.1%}) without a gap and {number['partly']} but for what their row names "
        f"(`partly`); refused: {number['refused']}. Every row links the tests in which it is asked and answers so."
    )
