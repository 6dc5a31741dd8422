"""`/docs`: the API on one page, made from its OpenAPI description, without scripts and without the network."""

import html
import json
from collections import defaultdict
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h2 { border-bottom: 1px solid #ccc; margin-top: 2.5rem } summary { cursor: pointer; padding: .2rem 0 }
code, pre { font: 13px/1.45 ui-monospace, monospace } pre { background: #f6f6f6; padding: .6rem; overflow-x: auto }
.method { display: inline-block; width: 4.5rem; font-weight: 600 } .note { color: #666 }
"""


@router.get("/docs")
def docs(request: Request) -> HTMLResponse:
    return HTMLResponse(
        page(request.app.openapi()), headers={"content-security-policy": "default-src 'self' 'unsafe-inline'"}
    )


def page(api: dict[str, Any]) -> str:
    """The HTML of an OpenAPI description: operations by tag, then every named schema."""
    operations = defaultdict(list)
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            operations[(operation.get("tags") or ["Other"])[0]].append(_operation(method, path, operation))
    notes = {tag["name"]: tag["description"] for tag in api.get("tags", [])}
    sections = [
        f"<h2>{_text(name)}</h2><p class=note>{_text(notes.get(name, ''))}</p>{''.join(operations[name])}"
        for name in sorted(operations, key=[*notes, *operations].index)
    ]
    schemas = api.get("components", {}).get("schemas", {})
    named = "".join(
        f"<details id='{_text(name)}'><summary><code>{_text(name)}</code> "
        f"<span class=note>{_text(schema.get('description', ''))}</span></summary>{_json(schema)}</details>"
        for name, schema in sorted(schemas.items())
    )
    info = api["info"]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{_text(info['title'])}</title><style>{STYLE}</style>"
        f"<h1>{_text(info['title'])}</h1><p>{_text(info.get('summary', ''))}. The same for programs: "
        f"<a href='/openapi.json'>openapi.json</a></p>{''.join(sections)}<h2>Schemas</h2>{named}</html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [f"<p>{_text(operation['description'])}</p>"] if operation.get("description") else []
    for parameter in operation.get("parameters", []):
        parts.append(f"<p><code>{_text(parameter['name'])}</code> in {parameter['in']}</p>{_json(parameter['schema'])}")
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<p>Body, <code>{_text(kind)}</code></p>{_json(content.get('schema', {}))}")
    for status, answer in operation["responses"].items():
        for content in answer.get("content", {}).values():
            parts.append(f"<p>Answer {_text(status)}</p>{_json(content.get('schema', {}))}")
    return (
        f"<details><summary><code><span class=method>{method.upper()}</span>{_text(path)}</code> "
        f"{_text(operation.get('summary', ''))}</summary>{''.join(parts)}</details>"
    )


def _json(schema: dict[str, Any]) -> str:
    """A schema; one that only names another becomes a link."""
    if set(schema) == {"$ref"}:
        name = _text(schema["$ref"].rpartition("/")[2])
        return f"<p><a href='#{name}'><code>{name}</code></a></p>"
    return f"<pre>{_text(json.dumps(schema, indent=1, ensure_ascii=False))}</pre>"


def _text(value: object) -> str:
    return html.escape(str(value))
