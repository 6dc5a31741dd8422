"""Names in the file store: repositories, paths in them, and `hf://` references. Anything odd is refused here, once."""

import re
import unicodedata

REPO_TYPES = ("datasets", "models")
PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}"
REPO_NAME = re.compile(f"{PART}/{PART}")
REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}")
LONGEST_PATH, LONGEST_PART = 4096, 255


class BadName(ValueError):
    """A repository name, path, revision or reference that the store refuses; the text says why."""


def check_repo(repo_type: str, repo: str) -> None:
    """Raise `BadName` unless this can name a repository: letters, digits and `_ . -` in `namespace/name`."""
    if repo_type not in REPO_TYPES:
        raise BadName(f"unknown repository type {repo_type[:40]!r}; there are datasets and models")
    if not REPO_NAME.fullmatch(repo) or ".." in repo:
        raise BadName(f"{repo[:100]!r} is no repository name; write namespace/name with letters, digits and _ . -")


def check_path(path: str) -> str:
    """The path of a file in a repository as it is. Raises `BadName` where it could lead out of the repository."""
    reason = None
    parts = path.split("/")
    try:
        length = len(path.encode())
    except UnicodeEncodeError:
        raise BadName("a path must be text in UTF-8") from None
    if not path:
        reason = "it is empty"
    elif length > LONGEST_PATH or any(len(part.encode()) > LONGEST_PART for part in parts):
        reason = f"it is longer than {LONGEST_PATH} bytes, or a part of it than {LONGEST_PART}"
    elif "\\" in path or any(unicodedata.category(character) == "Cc" for character in path):
        reason = "it holds a backslash or a control character"
    elif path.startswith("/"):
        reason = "it is absolute"
    elif any(part in ("", ".", "..") for part in parts):
        reason = "it has an empty part, '.' or '..'"
    if reason:
        raise BadName(f"path {path[:100]!r} is refused: {reason}")
    return path


def parse_reference(url: str) -> tuple[str, str, str, str]:
    """(repo_type, repo, path or "", revision) of `hf://datasets/ns/name[@rev][/path]` or `hf://ns/name[/path][@rev]`.

    `hf://models/ns/name` and the older `nds://` mean the same. Raises `BadName` for anything else.
    """
    match = re.fullmatch(r"(?:hf|nds)://(.+)", url)
    if match is None:
        raise BadName(f"{url[:200]!r} is not a Data Store reference; write hf://datasets/namespace/name[/path]")
    rest = match[1].rstrip("/")
    head, *tail = rest.split("/")
    repo_type = head if head in REPO_TYPES and len(tail) >= 2 else "models"
    parts = tail if head == repo_type and len(tail) >= 2 else [head, *tail]
    if len(parts) < 2:
        raise BadName(f"{url[:200]!r} names no repository; write hf://datasets/namespace/name[/path]")
    namespace, name, *path = parts
    name, _, revision = name.partition("@")
    if path and not revision:
        path[-1], _, revision = path[-1].partition("@")
    check_repo(repo_type, f"{namespace}/{name}")
    if revision and not REVISION.fullmatch(revision):
        raise BadName(f"{revision[:100]!r} is no revision; use main, a tag or a commit of 40 hex digits")
    return repo_type, f"{namespace}/{name}", check_path("/".join(path)) if path else "", revision or "main"
