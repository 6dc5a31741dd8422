"""Guardrails in process: configurations, rails by `nemoguardrails`, a content-safety model for one machine."""

from local_nemo.guard.service import Guard

__all__ = ["Guard"]
