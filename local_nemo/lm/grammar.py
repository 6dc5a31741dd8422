"""Guided decoding (placeholder module, completed next)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Guide:
    grammar: str


def guide_for(request: object) -> Guide | None:
    return None
