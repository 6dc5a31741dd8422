"""Reads the newline-delimited JSON of a Hub commit from disk, decoding file contents without holding them in memory.

One line is `{"key": "header" | "file" | "lfsFile" | "deletedFile" | "deletedFolder", "value": {...}}`. A line may be
larger than memory because of one string: the base64 `content` of a file. It is cut out of the line as it is read,
decoded piece by piece into the blob store, and the short rest of the line is parsed as JSON. A line that is none of
these raises `ApiError` 400, which names it.
"""

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import IO, Any

from local_nemo.api.errors import ApiError
from local_nemo.store.files import Blob, Blobs

SHORT = 1 << 20  # a line without a large content fits into this
PIECE = 4 << 20
CONTENT = re.compile(rb'"content"\s*:\s*"')
MOST_CHANGES = 100_000


@dataclass
class Commit:
    """What a commit request asks for."""

    message: str = ""
    parent: str | None = None
    add: dict[str, Blob] = field(default_factory=dict)
    delete: list[str] = field(default_factory=list)


def read_commit(body: IO[bytes], blobs: Blobs) -> Commit:
    """Parse the request in `body` (from its start) and store the contents it carries."""
    commit = Commit()
    body.seek(0)
    number = 0
    while head := body.readline(SHORT):
        number += 1
        if number > MOST_CHANGES:
            raise ApiError(400, f"a commit holds at most {MOST_CHANGES} changes; split it")
        blob = None
        try:
            if not head.endswith(b"\n") and len(head) == SHORT:
                head, blob = _cut_content(head, body, blobs)
            if head.strip():
                _apply(commit, json.loads(head), blob, blobs)
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            reason = f"{type(error).__name__}: {str(error)[:200]}"
            raise ApiError(400, f"line {number} of the commit is not what a commit holds ({reason})") from error
    if not commit.message:
        raise ApiError(400, "the commit has no header line with a summary")
    return commit


def _cut_content(head: bytes, body: IO[bytes], blobs: Blobs) -> tuple[bytes, Blob]:
    """Store the content of a long line; returns the line with an empty content."""
    found = CONTENT.search(head)
    if found is None:
        raise ValueError(f"a line without a content is longer than {SHORT} bytes")
    with blobs.draft() as draft:
        piece, rest = head[found.end() :], b""
        while b'"' not in piece:
            usable = len(rest + piece) // 4 * 4
            joined = rest + piece
            draft.write(binascii.a2b_base64(joined[:usable], strict_mode=True))
            rest = joined[usable:]
            piece = body.read(PIECE)
            if not piece:
                raise ValueError("the body ends inside a content")
        last, _, behind = piece.partition(b'"')
        draft.write(binascii.a2b_base64(rest + last, strict_mode=True))
        blob = blobs.keep(draft)
    line, newline, following = behind.partition(b"\n")
    if newline:
        body.seek(-len(following), 1)
    else:
        line += body.readline(SHORT)
    return head[: found.end()] + b'"' + line, blob


def _apply(commit: Commit, line: Any, blob: Blob | None, blobs: Blobs) -> None:
    key, value = line["key"], line["value"]
    if key == "header":
        description = _text(value.get("description") or "")
        commit.message = _text(value["summary"] or "commit") + ("\n\n" + description if description else "")
        commit.parent = value.get("parentCommit")
    elif key == "file":
        commit.add[_text(value["path"])] = blob or blobs.put(_decoded(value))
        if blob and value.get("encoding", "base64") != "base64":
            raise ValueError("a large content must be base64")
    elif key == "lfsFile":
        stored = blobs.find(_sha256(value["oid"])) if value.get("algo", "sha256") == "sha256" else None
        if stored is None or value.get("size", stored.size) != stored.size:
            raise ValueError(f"content {str(value['oid'])[:64]} of {value['path']!r} is not stored; upload it first")
        commit.add[_text(value["path"])] = stored
    elif key == "deletedFile":
        commit.delete.append(_text(value["path"]).rstrip("/"))
    elif key == "deletedFolder":
        commit.delete.append(_text(value["path"]).rstrip("/") + "/")
    else:
        raise ValueError(f"key {str(key)[:40]!r} is not supported")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected text, not {type(value).__name__}")
    value.encode()  # half a surrogate pair is no text
    return value


def _decoded(value: dict[str, Any]) -> bytes:
    content = _text(value["content"])
    if value.get("encoding", "utf-8") == "base64":
        return base64.b64decode(content, validate=True)
    return content.encode()


def _sha256(value: Any) -> str:
    if not re.fullmatch("[0-9a-f]{64}", _text(value)):
        raise ValueError("an oid has 64 hex digits")
    return value
