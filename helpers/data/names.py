"""Tool names that every service takes: letters, digits, `_` and `-`, at most 64 of them.

A quarter of BFCL's tools have dots in their names, other sets have spaces, accents or whole sentences. `legal_names`
maps the names of one row, so that tools and calls change alike and two names never become one. Parameter names are left
as they are: JSON Schema allows any.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

LEGAL = re.compile(r"[A-Za-z0-9_-]{1,64}")
LONGEST = 64


def legal_name(name: str) -> str:
    """A legal name for `name`; a legal one is returned unchanged."""
    if LEGAL.fullmatch(name):
        return name
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", name) if not unicodedata.combining(sign))
    legal = re.sub(r"[^A-Za-z0-9_-]+", "_", plain).strip("_")
    if not legal:
        return f"tool_{_digest(name)}"
    return legal if len(legal) <= LONGEST else f"{legal[: LONGEST - 9]}_{_digest(name)}"


def legal_names(names: list[str]) -> dict[str, str]:
    """A legal and distinct name for each of `names`, in their order; those that are legal already keep theirs."""
    chosen = {name: name for name in names if LEGAL.fullmatch(name)}
    taken = set(chosen)
    for name in names:
        if name not in chosen:
            legal = legal_name(name)
            if legal in taken:
                legal = f"{legal[: LONGEST - 9]}_{_digest(name)}"
            chosen[name] = legal
            taken.add(legal)
    return chosen


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
