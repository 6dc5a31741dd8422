"""A model and tokenizer small enough for unit tests: four layers of a real architecture, one token a letter."""

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

from local_nemo.lm.rows import EncodedRow

VOCABULARY = 300


def model(architecture: str = "llama", layers: int = 4) -> torch.nn.Module:
    """A fresh model with the same weights every time. One thread: more would only wait for each other."""
    torch.set_num_threads(1)
    sizes = {
        "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": layers,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512,
    }  # fmt: skip
    config = LlamaConfig(**sizes) if architecture == "llama" else Qwen2Config(**sizes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


class Tokenizer:
    """One token a letter; the chat template is one line a message."""

    eos_token_id = 0

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict:
        assert not add_special_tokens
        return {"input_ids": [ord(letter) % VOCABULARY for letter in text]}

    def apply_chat_template(self, messages: list[dict], tokenize: bool, add_generation_prompt: bool) -> str:
        return "".join(f"{message['role']}:{message['content']}\n" for message in messages) + "assistant:"


def row(prompt: str, answer: str) -> EncodedRow:
    ids = tuple(ord(letter) for letter in prompt + answer) + (0,)
    return EncodedRow(ids, len(prompt))
