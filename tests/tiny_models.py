"""Tiny random models with the bundled tokenizer, made in a second: a Llama, a Qwen, LoRA adapters for them."""

from pathlib import Path

from local_nemo.lm.base import bundled_gguf
from local_nemo.lm.tokenizer import from_gguf

ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SIZES = {
    "vocab_size": 49152,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 2048,
    "initializer_range": 0.3,  # so that answers depend on every layer
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def tiny_model(folder: Path, architecture: str, seed: int = 0, **sizes: int) -> Path:
    """A random "llama" or "qwen" in Hugging Face layout; `sizes` replace those above."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

    config, model = {"llama": (LlamaConfig, LlamaForCausalLM), "qwen": (Qwen2Config, Qwen2ForCausalLM)}[architecture]
    torch.manual_seed(seed)
    model(config(**SIZES | sizes)).save_pretrained(folder)
    from_gguf(bundled_gguf()).save_pretrained(folder)
    return folder


def tiny_adapter(
    folder: Path,
    base: Path,
    *,
    rank: int,
    alpha: int,
    modules: list[str] = ALL,
    layers: list[int] | None = None,
    seed: int,
) -> Path:
    """A PEFT adapter with random matrices, so that it changes answers."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    config = LoraConfig(
        r=rank, lora_alpha=alpha, target_modules=modules, layers_to_transform=layers, task_type="CAUSAL_LM"
    )
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0, 0.3)
    model.save_pretrained(folder)
    return folder


def greedy(base: Path, adapter: Path | None, prompts: list[list[int]], tokens: int) -> list[list[int]]:
    """What transformers and peft generate in fp32, one prompt at a time."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if adapter:
        model = PeftModel.from_pretrained(model, adapter)
    model.eval()
    answers = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        mask = torch.ones_like(ids)
        out = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=tokens, do_sample=False, pad_token_id=2)
        answers.append(out[0, len(prompt) :].tolist())
    return answers
