"""Guardrails in process: configurations, rails by `nemoguardrails`, and a content-safety model that fits on one machine."""

from local_nemo.guard.service import Guard

__all__ = ["Guard"]
