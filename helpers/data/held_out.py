"""The tutorial's own example question, which no row may hold: notebook 2 asks it before and after training.

"What will the weather be in Berlin on November 7, 2025?" A row holds it if its text or its answer names both the city
and that day, in whichever writing; the year may be missing. This finds paraphrases in many languages, and drops a few
rows more than it must (a hotel in Berlin on that day).
"""

from __future__ import annotations

import json
import re

from helpers.data.convert import ConvertedRow

QUESTION = "What will the weather be in Berlin on November 7, 2025?"

_CITY = re.compile(r"berlin|柏林|ベルリン|берлин", re.IGNORECASE)
_NOVEMBER = r"(?:nov(?:ember|embre|iembre|embro|\.)?|listopad\w*|ноябр\w*)"
_DAY = re.compile(
    rf"\b{_NOVEMBER}\s+(?:the\s+)?0?7(?:th|\.)?\b(?!\s*,?\s*(?!2025)\d{{4}})"
    rf"|\b0?7(?:th|\.)?\s*(?:of\s+|de\s+)?{_NOVEMBER}(?!\w)(?!\s*,?\s*(?:of\s+|de\s+)?(?!2025)\d{{4}})"
    r"|\b2025\s?[-/.年]\s?11\s?[-/.月]\s?0?7(?!\d)|\b20251107\b"
    r"|\b0?7\s?[-/.]\s?11\s?[-/.]\s?(?:20)?25\b|\b11\s?[-/.]\s?0?7\s?[-/.]\s?(?:20)?25\b|11月0?7日"
    r"|\bseventh\s+(?:of\s+)?november\b|\bnovember\s+(?:the\s+)?seventh\b",
    re.IGNORECASE,
)


def asks_the_example(row: ConvertedRow) -> bool:
    """Whether the question, or the answer, is about Berlin on November 7, 2025."""
    asked = "\n".join(message["content"] for message in row.messages)
    answered = json.dumps(row.arguments, ensure_ascii=False)
    return any(_CITY.search(text) and _DAY.search(text) for text in (asked, answered, f"{asked}\n{answered}"))
