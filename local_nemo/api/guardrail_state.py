"""A conversation's `state`, as the guardrails library of Colang 1.0 writes it down: the events of earlier turns.

    {"events": [{"type": "UtteranceUserActionFinished", "final_transcript": "Hi"},
                {"type": "StartUtteranceBotAction", "script": "Hello!"}]}

What was said is all that rails and models here look at, so the state is read as the messages that come before the
request's own. Events of other types say how the library came to an answer, and are passed over.
"""

from collections.abc import Mapping
from typing import Any

SPOKEN = {
    "UtteranceUserActionFinished": ("user", "final_transcript"),
    "StartUtteranceBotAction": ("assistant", "script"),
}
MOST_EVENTS = 10_000


def earlier_messages(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages of a state, in order. Raises ValueError unless it is one of Colang 1.0."""
    if not state:
        return []
    events = state.get("events")
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise ValueError("a state holds `events`, a list of objects (Colang 1.0); other kinds can't be continued here")
    if len(events) > MOST_EVENTS:
        raise ValueError(f"the state has {len(events)} events; at most {MOST_EVENTS} are read")
    found = []
    for event in events:
        role, field = SPOKEN.get(str(event.get("type")), ("", ""))
        if role and not isinstance(event.get(field), str):
            raise ValueError(f"an event of type {event['type']} in the state has no text in {field}")
        if role:
            found.append({"role": role, "content": event[field]})
    return found
