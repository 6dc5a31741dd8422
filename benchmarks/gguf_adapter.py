"""A PEFT adapter of a Llama-style model as the GGUF file that llama.cpp reads.

The format is that of llama.cpp's own converter: one pair of matrices a module, under the base tensor's name with
`.lora_a` and `.lora_b`. llama.cpp keeps the rows of the query and key projections in another order than transformers
(the two halves of each head interleaved), so the rows of their `lora_b` are put into that order too.
"""

import json
import re
from pathlib import Path

import numpy as np
from gguf import GGUFWriter
from safetensors.numpy import load_file

NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip
KEY = re.compile(r"layers\.(\d+)\.(\w+\.\w+)\.lora_([AB])\.weight$")


def convert(adapter: Path, base: Path, out: Path) -> Path:
    """Write `out` from the adapter's folder and the base model's (for its number of heads). Returns `out`."""
    settings = json.loads((adapter / "adapter_config.json").read_text())
    model = json.loads((base / "config.json").read_text())
    heads = {"attn_q": model["num_attention_heads"], "attn_k": model["num_key_value_heads"]}
    writer = GGUFWriter(out, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(settings["lora_alpha"]))
    for key, matrix in sorted(load_file(adapter / "adapter_model.safetensors").items()):
        found = KEY.search(key)
        if found is None:
            raise ValueError(f"{key} of {adapter} is no LoRA matrix of a Llama layer")
        name, half = NAMES[found[2]], found[3].lower()
        if half == "b" and name in heads:
            matrix = interleave(matrix, heads[name])
        writer.add_tensor(f"blk.{found[1]}.{name}.weight.lora_{half}", np.ascontiguousarray(matrix, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out


def interleave(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows [heads * width, n] with the halves of each head interleaved, as llama.cpp rotates them."""
    width = rows.shape[0] // heads
    return rows.reshape(heads, 2, width // 2, -1).swapaxes(1, 2).reshape(rows.shape)
