"""docs/compatibility.md: `python -m tests.compatibility` writes it anew from the tests.

The endpoints come from `tests.endpoint_table`, the promises and faults from `tests.faults`.
tests/unit/test_compatibility.py compares the file with what would be written, so that neither the application, the
tests nor the page can change alone.
"""

from pathlib import Path

from tests import endpoint_table, faults

PATH = Path(__file__).resolve().parent.parent / "docs" / "compatibility.md"
HEAD = """# Compatibility

What `local_nemo` answers, service by service. The contract is that of NeMo Microservices 25.4 to 25.11; the official
clients (`nemo-microservices` 1.5.0, `huggingface_hub` and `openai` in two major versions each) are run against it in
`tests/contract/`, and every reply to the first is checked against its own models. The running server describes the same
routes with their fields at `/docs` and `/openapi.json`.

**Refused on purpose**, with a 4xx that names what is supported: what the tables call partly or refused, and hosts
beyond loopback that the server's `LOCAL_NEMO_ALLOWED_HOSTS` does not list. Several GPUs or nodes are accepted and
answered with a warning. There is no user management: any token is accepted, and the server listens on loopback alone.

This page is written by `python -m tests.compatibility`.
"""


def page() -> str:
    """The whole document."""
    return "\n".join([HEAD, endpoint_table.section(), faults.section()])


if __name__ == "__main__":
    PATH.write_text(page(), encoding="utf-8")
