"""docs/compatibility.md, written from the application itself: `python -m tests.compatibility` writes it anew.

One row for every route that local_nemo answers, under its service; tests/unit/test_compatibility.py compares the file
with the application, so that neither can change alone. It does not claim that a route is complete: what a service
refuses on purpose stands in the text above the tables.
"""

from pathlib import Path

from local_nemo.api.app import create_app

PATH = Path(__file__).resolve().parent.parent / "docs" / "compatibility.md"
HEAD = """# Compatibility

What `local_nemo` answers, service by service. The contract is that of NeMo Microservices 25.4 to 25.11; the official
clients (`nemo-microservices` 1.5.0, `huggingface_hub`, `openai`) are run against it in `tests/contract/`. The running
server describes the same routes with their fields at `/docs` and `/openapi.json`.

**Refused on purpose**, with a 4xx that names what is supported: training types other than `sft` and fine-tuning types
other than `lora` (422); evaluation types other than `custom` and metrics other than those of tool calling (422);
hosts beyond loopback that the server's `LOCAL_NEMO_ALLOWED_HOSTS` does not list. Several GPUs or nodes are accepted and
answered with a warning. There is no user management: any token is accepted, and the server listens on loopback alone.

This page is written by `python -m tests.compatibility` from the application's own routes.
"""


def page() -> str:
    """The whole document."""
    services: dict[str, list[str]] = {}
    for path, operations in create_app(None).openapi()["paths"].items():
        for method, operation in operations.items():
            row = f"| `{method.upper()}` | `{path}` | {operation['summary']} |"
            services.setdefault(operation["tags"][0], []).append(row)
    tables = [
        f"## {service}\n\n| method | path | what it does |\n|---|---|---|\n" + "\n".join(rows)
        for service, rows in services.items()
    ]
    return HEAD + "\n" + "\n\n".join(tables) + "\n"


if __name__ == "__main__":
    PATH.write_text(page(), encoding="utf-8")
