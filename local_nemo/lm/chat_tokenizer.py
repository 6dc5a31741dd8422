"""The tokenizer as the engine uses it: text to ids, ids to text, messages to a prompt.

The same files as `tokenizer.load_tokenizer` (a test compares them), read with `tokenizers` and Jinja alone: importing
transformers would load torch into the server, 5 s and 300 MB that only a training needs.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2.exceptions import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from .errors import InvalidRequest
from .tokenizer import CHATML


class ChatTokenizer:
    """Reads `tokenizer.json` and its config from a Hugging Face folder. Raises OSError or ValueError."""

    def __init__(self, folder: Path) -> None:
        file = folder / "tokenizer.json"
        if not file.is_file():
            raise FileNotFoundError(f"{folder} has no tokenizer.json: save its tokenizer as a fast one")
        self.backend_tokenizer = Tokenizer.from_file(str(file))
        config = json.loads((folder / "tokenizer_config.json").read_text())
        self._tokens = {key: _text(config.get(key)) for key in ("bos_token", "eos_token", "unk_token", "pad_token")}
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.filters["tojson"] = _tojson
        environment.globals.update(raise_exception=_refuse, strftime_now=lambda form: datetime.now().strftime(form))
        self._template = environment.from_string(_template(folder, config))

    def __len__(self) -> int:
        return self.backend_tokenizer.get_vocab_size()

    @property
    def eos_token_id(self) -> int | None:
        return self._id("eos_token")

    @property
    def bos_token_id(self) -> int | None:
        return self._id("bos_token")

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        return self.backend_tokenizer.encode(text, add_special_tokens=add_special_tokens).ids

    def decode(self, ids: list[int], skip_special_tokens: bool = False) -> str:
        return self.backend_tokenizer.decode(ids, skip_special_tokens=skip_special_tokens)

    def apply_chat_template(
        self, messages: list[dict], *, tokenize: bool = False, add_generation_prompt: bool = True
    ) -> str:
        """The prompt text. Raises InvalidRequest if the model's template refuses the messages."""
        if tokenize:
            raise ValueError("apply_chat_template returns text here; encode it")
        tokens = {key: value for key, value in self._tokens.items() if value is not None}
        try:
            return self._template.render(messages=messages, add_generation_prompt=add_generation_prompt, **tokens)
        except TemplateError as error:
            raise InvalidRequest(f"The model's chat template refuses these messages: {error}", "messages") from error

    def _id(self, kind: str) -> int | None:
        return None if self._tokens[kind] is None else self.backend_tokenizer.token_to_id(self._tokens[kind])


def _template(folder: Path, config: dict[str, Any]) -> str:
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text()
    template = config.get("chat_template")
    if isinstance(template, list):  # several named ones
        template = next((one["template"] for one in template if one.get("name") == "default"), None)
    return template or CHATML


def _text(token: Any) -> str | None:
    return token.get("content") if isinstance(token, dict) else token


def _tojson(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> None:
    raise TemplateError(message)
