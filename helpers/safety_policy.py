"""The policy that the safety model judges by, as text for a guardrails configuration.

The categories S1 to S23 are those that NVIDIA's content-safety model was trained on; more can be added, as the
tutorial does for its tools. `prompt()` writes the policy and the form of the answer that the parser expects.
"""

CATEGORIES = (
    "Violence",
    "Sexual",
    "Criminal Planning/Confessions",
    "Guns and Illegal Weapons",
    "Controlled/Regulated Substances",
    "Suicide and Self Harm",
    "Sexual (minor)",
    "Hate/Identity Hate",
    "PII/Privacy",
    "Harassment",
    "Threat",
    "Profanity",
    "Needs Caution",
    "Other",
    "Manipulation",
    "Fraud/Deception",
    "Malware",
    "High Risk Gov Decision Making",
    "Political/Misinformation/Conspiracy",
    "Copyright/Trademark/Plagiarism",
    "Unauthorized Advice",
    "Illegal Activity",
    "Immoral/Unethical",
)

TASK = "Check if there is unsafe content in the user message according to our safety policy with the below categories."
ANSWER = """Give your verification JSON only as output, no other text.
Output JSON format: {"User Safety": "safe" or "unsafe",
"Response Safety": "safe" or "unsafe" (leave it out if there is no reply),
"Safety Categories": the violated categories, separated by commas (leave it out if everything is safe)}"""


def categories(*more: str) -> list[str]:
    """The numbered categories: `S1: Violence` to `S23: …`, then those given."""
    return [f"S{number}: {name}." for number, name in enumerate((*CATEGORIES, *more), start=1)]


def prompt(*more: str) -> str:
    """The system message for the safety model, with further categories of one's own."""
    return "\n\n".join((TASK, "\n".join(categories(*more)), ANSWER))
