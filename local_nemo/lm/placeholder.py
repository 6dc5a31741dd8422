"""The adapter that a pipeline must be opened with.

OpenVINO GenAI prepares a graph for LoRA only where the adapter it is opened with has matrices; later adapters silently
have no effect elsewhere. So the placeholder covers every linear layer of every decoder layer, with rank 1 and zeros:
any rank and any subset of modules and layers can replace it (measured: answers equal transformers + peft).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from .derived import derived_folder

FILE = "placeholder.safetensors"


def linear_layers(base_path: Path) -> dict[str, tuple[int, int]]:
    """Full name -> (outputs, inputs) of every linear layer inside the decoder layers of a Hugging Face folder."""
    shapes: dict[str, tuple[int, int]] = {}
    for path in sorted(base_path.glob("*.safetensors")):
        with safe_open(path, "np") as file:
            for name in file.keys():  # noqa: SIM118 (safe_open is no mapping)
                shape = file.get_slice(name).get_shape()
                if ".layers." in name and name.endswith(".weight") and len(shape) == 2:
                    shapes[name.removesuffix(".weight")] = (shape[0], shape[1])
    return shapes


def placeholder(base_path: Path, folder: Path) -> Path:
    """Return the placeholder's safetensors file in `folder`, writing it if needed."""

    def write(target: Path) -> None:
        tensors = {}
        for name, (outputs, inputs) in linear_layers(base_path).items():
            tensors[f"base_model.model.{name}.lora_A.weight"] = np.zeros((1, inputs), np.float32)
            tensors[f"base_model.model.{name}.lora_B.weight"] = np.zeros((outputs, 1), np.float32)
        save_file(tensors, target / FILE)

    return derived_folder(folder, write) / FILE
