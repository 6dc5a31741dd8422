"""What a check found: one outcome per rail, one for the whole, and the facts behind them.

Three outcomes and no fourth: allowed, blocked, unreadable. Unreadable means that nobody decided (the safety model
answered nonsense, was down or too slow, or a configured rail did not run); only allowed lets a request through.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from local_nemo.guard.flows import Direction


class Outcome(StrEnum):
    """Named as we speak of them; the values are the words of the HTTP API."""

    ALLOWED = "success"
    BLOCKED = "blocked"
    UNREADABLE = "unknown"


@dataclass(frozen=True)
class RailResult:
    """One rail's decision. `reason` says who decided or why nobody could; `record` is the library's log entry."""

    name: str
    direction: Direction
    outcome: Outcome
    reason: str = ""
    record: dict[str, Any] = field(default_factory=dict)
    calls: list[dict[str, Any]] = field(default_factory=list)  # one per question to a model
    seconds: float = 0.0


@dataclass(frozen=True)
class CheckResult:
    """All rails that ran, in their order, and why the whole is not allowed where no rail says so."""

    rails: tuple[RailResult, ...] = ()
    problem: str = ""  # why the check could not be made at all
    seconds: float = 0.0

    @property
    def outcome(self) -> Outcome:
        """Blocked if any rail blocked; otherwise unreadable if anything is; otherwise allowed."""
        if self.problem:
            return Outcome.UNREADABLE
        return worst(rail.outcome for rail in self.rails)

    @property
    def reason(self) -> str:
        """Why the outcome is not `allowed`; empty when it is."""
        if self.problem:
            return self.problem
        return next((f"{rail.name}: {rail.reason}" for rail in self.rails if rail.outcome is self.outcome), "") * (
            self.outcome is not Outcome.ALLOWED
        )


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome that counts when several checks looked at parts of the same thing."""
    found = set(outcomes)
    for outcome in (Outcome.BLOCKED, Outcome.UNREADABLE):
        if outcome in found:
            return outcome
    return Outcome.ALLOWED
