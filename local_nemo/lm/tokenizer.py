"""The tokenizer of the base model.

transformers 5.5 builds a wrong one from this GGUF (two BOS, eos 1, no round trip), so `from_gguf` builds it with
`tokenizers` from the file's own tokens and merges: byte-level BPE, digits one by one, nothing added to a text,
`<|im_end|>` (id 2) ends an answer. Contract: decode(encode(text)) == text for every text.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from .base import Base

SPECIAL = 3  # GGUF token_type of control tokens
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def load_tokenizer(base: Base) -> PreTrainedTokenizerFast:
    """Return the tokenizer of `base`; one without a chat template of its own gets ChatML."""
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(base.path, local_files_only=True)
    if not tokenizer.chat_template:
        tokenizer.chat_template = CHATML
    return tokenizer


def from_gguf(path: Path) -> PreTrainedTokenizerFast:
    """Build the tokenizer from the vocabulary, merges and chat template inside a GGUF file (about 5 s).

    Raises ValueError if the file's tokenizer is not the GPT-2 style BPE with SmolLM's splitting that this builds.
    """
    from gguf import GGUFReader
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    reader = GGUFReader(path)
    fields = {name: field.contents() for name, field in reader.fields.items() if name.startswith("tokenizer.")}
    kind = (fields["tokenizer.ggml.model"], fields["tokenizer.ggml.pre"])
    if kind != ("gpt2", "smollm"):
        raise ValueError(f"{path.name} holds a tokenizer of kind {kind}; only ('gpt2', 'smollm') is known here")

    tokens = fields["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    backend = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.decoder = decoders.ByteLevel()
    types = fields["tokenizer.ggml.token_type"]
    special = [token for token, type_ in zip(tokens, types, strict=True) if type_ == SPECIAL]
    backend.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=tokens[fields["tokenizer.ggml.bos_token_id"]],
        eos_token=tokens[fields["tokenizer.ggml.eos_token_id"]],
        unk_token=tokens[fields["tokenizer.ggml.unknown_token_id"]],
        pad_token=tokens[fields["tokenizer.ggml.padding_token_id"]],
        additional_special_tokens=special,
        chat_template=fields["tokenizer.chat_template"],
        clean_up_tokenization_spaces=False,
        model_max_length=8192,
    )
