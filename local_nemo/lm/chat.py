"""What a chat means for a language model: the prompt to continue, and how to read what it wrote.

`ChatRequest` is OpenAI's chat completion without HTTP. Tools are offered in the prompt (`prompt.py`), their calls are
read back from the text (`tool_calls.py`), and `grammar.py` makes sure that a call fits its schema.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .errors import ContextOverflow, InvalidRequest
from .generation import Completion
from .grammar import Guide, guide_for
from .prompt import render_prompt
from .sampling import Sampling
from .tool_calls import parse, tool_names

if TYPE_CHECKING:
    from .chat_tokenizer import ChatTokenizer

DEFAULT_CHAT_TOKENS = 1024
DEFAULT_TEXT_TOKENS = 16  # OpenAI's, for completions
MAX_TOOLS = 128


@dataclass(frozen=True)
class ChatRequest:
    """`tool_choice`: "none", "auto", "required", {"type": "function", "function": {"name": ..}}; None is the default.

    `guided` holds at most one of NIM's guided_json, guided_choice, guided_regex, guided_grammar.
    """

    model: str
    messages: list[dict]
    tools: list[dict] | None = None
    tool_choice: str | dict | None = None
    parallel_tool_calls: bool = False
    response_format: dict | None = None
    guided: dict = field(default_factory=dict)
    sampling: Sampling = field(default_factory=Sampling)

    @property
    def choice(self) -> str | dict:
        """The tool choice with its default: "auto" with tools, else "none"."""
        return (self.tool_choice or "auto") if self.tools else "none"


@dataclass(frozen=True)
class CompletionRequest:
    """Plain text (or token ids) to continue."""

    model: str
    prompt: str | list[int]
    guided: dict = field(default_factory=dict)
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True)
class Prepared:
    """A prompt's tokens, how many may follow, what guides them, and how to read the text: (text, reason) -> parts."""

    prompt: list[int]
    max_tokens: int
    guide: Guide | None
    read: Callable[[str], tuple[str | None, list[dict]]]


def prepare_chat(request: ChatRequest, tokenizer: ChatTokenizer, limit: int) -> Prepared:
    """Check the request and turn it into a prompt. Raises InvalidRequest and its kinds."""
    check_tools(request)
    guide = guide_for(request)
    text = render_prompt(tokenizer, request.messages, request.tools, request.choice)
    prompt = tokenizer.encode(text, add_special_tokens=False)
    tools = request.tools if request.choice != "none" else None
    max_tokens = _room(prompt, request.sampling.max_tokens, DEFAULT_CHAT_TOKENS, limit)
    return Prepared(prompt, max_tokens, guide, lambda text: parse(text, tools) if tools else (text, []))


def prepare_text(request: CompletionRequest, tokenizer: ChatTokenizer, limit: int) -> Prepared:
    """The same for plain text. Raises InvalidRequest and its kinds."""
    if isinstance(request.prompt, str):
        prompt = tokenizer.encode(request.prompt, add_special_tokens=False)
    else:
        prompt = list(request.prompt)
        if any(not 0 <= token < len(tokenizer) for token in prompt):
            raise InvalidRequest(f"prompt has a token id outside 0..{len(tokenizer) - 1}.", "prompt")
    prompt = prompt or [token for token in (tokenizer.bos_token_id, tokenizer.eos_token_id) if token is not None][:1]
    max_tokens = _room(prompt, request.sampling.max_tokens, DEFAULT_TEXT_TOKENS, limit)
    return Prepared(prompt, max_tokens, guide_for(request), lambda text: (text, []))


def check_tools(request: ChatRequest) -> None:
    """Raise InvalidRequest if tools and tool_choice do not fit together."""
    if not request.tools:
        if request.tool_choice not in (None, "none"):
            raise InvalidRequest("tool_choice is only valid with tools: give tools, or leave it out.", "tool_choice")
        return
    if len(request.tools) > MAX_TOOLS:
        raise InvalidRequest(f"{len(request.tools)} tools are too many; at most {MAX_TOOLS} are possible.", "tools")
    names = tool_names(request.tools)
    if len(names) < len(request.tools):
        raise InvalidRequest("Every tool needs a name, and no two tools may have the same.", "tools")
    if isinstance(request.choice, dict):
        name = (request.choice.get("function") or {}).get("name")
        if name not in names:
            raise InvalidRequest(
                f"tool_choice names {name!r}; the tools are {', '.join(sorted(names))}.", "tool_choice"
            )
    elif request.choice not in ("none", "auto", "required"):
        raise InvalidRequest("tool_choice is none, auto, required, or names a function.", "tool_choice")


def completion(prepared: Prepared, text: str, reason: str, tokens: int, logprobs: tuple = ()) -> Completion:
    """Read a finished text."""
    content, calls = prepared.read(text)
    if calls and reason == "stop":
        reason = "tool_calls"
    return Completion(content, tuple(calls), reason, len(prepared.prompt), tokens, logprobs)


def _room(prompt: list[int], asked: int | None, default: int, limit: int) -> int:
    """How many tokens may be generated. Raises ContextOverflow when prompt and answer do not fit."""
    needed = 1 if asked is None else asked
    if len(prompt) + needed > limit:
        raise ContextOverflow(len(prompt), needed, limit)
    return min(default, limit - len(prompt)) if asked is None else asked
