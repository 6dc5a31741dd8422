"""References within a schema: `$ref` to a part of the same document."""

from __future__ import annotations

from typing import Any

from .errors import GrammarRefused
from .schema_numbers import Impossible

LONGEST_CHAIN = 30


class References:
    """Follows the references of the schema `root`."""

    def __init__(self, root: Any) -> None:
        self._root = root

    def resolved(self, schema: Any, where: str) -> Any:
        """The schema behind a chain of references, for merging. Raises GrammarRefused, Impossible."""
        for _ in range(LONGEST_CHAIN):
            if not (isinstance(schema, dict) and set(schema) == {"$ref"}):
                return schema
            schema = self.target(schema["$ref"], where)
        raise Impossible(f"{where}: its references lead nowhere")

    def target(self, pointer: Any, where: str) -> Any:
        """The part that a pointer such as `#/$defs/place` names. Raises GrammarRefused."""
        if not isinstance(pointer, str) or not pointer.startswith("#"):
            raise GrammarRefused(f"{where} refers to {pointer!r}; only parts of the same schema (#/...) can be used.")
        node = self._root
        for part in pointer[1:].split("/")[1:]:
            part = part.replace("~1", "/").replace("~0", "~")
            node = node[int(part)] if isinstance(node, list) and part.isdigit() and int(part) < len(node) else node
            node = node.get(part, None) if isinstance(node, dict) else node
            if node is None:
                raise GrammarRefused(f"{where} refers to {pointer!r}, which is not in the schema.")
        return node
