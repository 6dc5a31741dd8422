"""Finds text that tries to act instead of being data: commands to a model, shell, SQL, paths, hidden characters.

Two readers: `in_argument` for a value that a model wrote into a call, `in_result` for what a tool gave back (there,
code and SQL are ordinary; words addressed to the model are not). Both look at the text as a program would see it:
compatibility letters folded, invisible characters removed, percent- and base64-encoded parts decoded once. Patterns
find known forms; they are one rail among several, not a proof.
"""

import base64
import binascii
import re
import unicodedata
from urllib.parse import unquote

MAX_SCANNED = 200_000  # characters; a longer text is refused, not skipped
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")  # shows text in another order than it is read
TAGS = re.compile("[\U000e0000-\U000e007f]")  # invisible copies of the ASCII letters
ENCODED = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{24,}={0,2}")

_EARLIER = r"(?:previous|prior|earlier|above|preceding|foregoing|system|original|initial|your|these|those|the|all|any)"
_ORDERS = r"(?:instructions?|prompts?|rules?|directions?|guidelines|guardrails|polic(?:y|ies)|orders|safety checks?)"
COMMANDS = {
    "tells the model to drop its instructions": re.compile(
        rf"\b(?:ignore|disregard|forget|override|bypass|discard|drop)\b(?:\s+\w+){{0,3}}?"
        rf"\s+{_EARLIER}(?:\s+\w+){{0,2}}?\s+{_ORDERS}\b"
    ),
    "gives the model new instructions": re.compile(
        rf"\b(?:new|updated|real|actual|important)\s+(?:system\s+)?{_ORDERS}"
        r"\s*(?:for (?:the )?(?:ai|assistant|model))?\s*[:\-]"
    ),
    "asks for the hidden prompt": re.compile(
        r"\b(?:reveal|print|show|repeat|output|leak)\b(?:\s+\w+){0,3}?"
        r"\s+(?:system|hidden|secret|initial)\s+(?:prompt|message|instructions?)\b"
    ),
    "speaks in another role": re.compile(
        r"<\|?(?:im_start|im_end|system|assistant|endoftext|start_header_id|eot_id)\|?>|\[/?(?:inst|sys)\]|<</?sys>>"
        r"|(?:^|\n)\s*(?:#+\s*)?(?:system|assistant|developer)\s*(?:message|prompt|override)?\s*:"
    ),
    "writes a tool call": re.compile(r"</?tool_call>|<\|python_tag\|>|\"(?:tool_calls|function_call)\"\s*:"),
    "addresses the assistant": re.compile(
        r"\b(?:attention|note to|dear|hey|message (?:to|for))\s+(?:the\s+)?"
        r"(?:ai|a\.i\.|assistant|agent|language model|llm|chatbot)\b"
        r"|\b(?:ai|assistant|agent|model|llm|chatbot)s?\s+(?:reading|processing|summari[sz]ing|parsing)\s+this\b"
        r"|\byou\s+(?:must|should|have to|need to|are required to)\s+(?:now\s+|immediately\s+|also\s+|first\s+)?"
        r"(?:call|invoke|execute|run|use the|send|forward|transfer|delete|e-?mail|upload|post)\b"
        r"|\b(?:call|invoke|execute|run)\s+(?:the\s+)?[\w.]+\s+(?:tool|function|api)\b"
    ),
    "asks to keep something from the user": re.compile(
        r"\b(?:do not|don't|never|without)\s+"
        r"(?:tell(?:ing)?|inform(?:ing)?|notify(?:ing)?|mention(?:ing)?|alert(?:ing)?)"
        r"(?:\s+\w+){0,4}?\s+(?:the\s+)?(?:user|human|customer|owner)\b"
    ),
}
CODE = {
    "shell command": re.compile(
        r"(?:;|&&|\|\||\||\n|`|\$\()\s*(?:sudo\s+)?(?:rm|curl|wget|nc|bash|sh|zsh|python3?|perl|powershell|chmod|chown|mkfs|dd"
        r"|shutdown|reboot|kill|cat\s+/etc|scp|ssh)\b(?=[\s\-/`)]|$)|\brm\s+-[a-z]*[rf][a-z]*\s+[/~.*]|:\(\)\s*\{\s*:\|:&\s*\};:"
    ),
    "SQL beyond a value": re.compile(
        r"'\s*(?:or|and)\s+(?:'?\w+'?\s*=\s*'?\w+|true\b|1\b)|;\s*(?:drop|delete|truncate|alter|insert|update|grant|create)\s+"
        r"(?:table|database|from|into|user|schema|\w+\s+set)\b|'\s*;?\s*--(?:\s|$)|\bunion\s+(?:all\s+)?select\b"
    ),
    "path outside its folder": re.compile(r"(?:^|[/\\])\.\.[/\\]|^/etc/(?:passwd|shadow)|^file://|\.\.%2f"),
    "script or template": re.compile(
        r"<script\b|\bjavascript:|on(?:error|load)\s*=\s*[\"']|\{\{.*\}\}|\{%.*%\}|\$\{jndi:"
    ),
}


def in_argument(text: str) -> str | None:
    """What is suspicious in a string that a model wrote into a call, or None."""
    return _hidden(text) or _found(text, COMMANDS | CODE)


def in_result(text: str) -> str | None:
    """What is suspicious in a tool's result before a model reads it, or None."""
    return _hidden(text) or _found(text, COMMANDS)


def _hidden(text: str) -> str | None:
    if len(text) > MAX_SCANNED:
        return f"{len(text)} characters, more than the {MAX_SCANNED} that are scanned"
    for pattern, name in ((CONTROL, "control characters"), (REORDERING, "reordered text"), (TAGS, "invisible letters")):
        if pattern.search(text):
            return name
    return None


def _found(text: str, patterns: dict[str, re.Pattern]) -> str | None:
    for reading in _readings(text):
        for name, pattern in patterns.items():
            if match := pattern.search(reading):
                return f"{name}: {match[0].strip()[:80]!r}"
    return None


def _readings(text: str) -> list[str]:
    """The text as written, and as it reads once it is decoded."""
    plain = INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).casefold()
    readings = [plain]
    if "%" in plain:
        readings.append(unquote(plain))
    for part in ENCODED.findall(text):
        try:
            decoded = base64.b64decode(part + "=" * (-len(part) % 4), validate=True).decode()
        except (binascii.Error, ValueError):
            continue
        readings.append(decoded.casefold())
    return readings
