"""What the engine says of a model that it serves, and reading a LoRA adapter for it.

An adapter folder is PEFT's: `adapter_model.safetensors` and `adapter_config.json`. OpenVINO GenAI ignores the config,
so its scale (lora_alpha / r) is read here and passed along as a weight. It also ignores, without a word, matrices for
modules that the pipeline was not opened with; `read_adapter` refuses those instead.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
UNSUPPORTED = ("use_dora", "lora_bias", "alpha_pattern", "rank_pattern", "modules_to_save", "fan_in_fan_out")
MATRIX = re.compile(r"(?:base_model\.model\.)?(.+)\.lora_[AB](?:\.default)?\.weight")


@dataclass(frozen=True)
class ServedModel:
    """One line of the model list. `root` is the model underneath, `parent` the base of an adapter."""

    id: str
    root: str
    parent: str | None
    created: int  # seconds since 1970
    max_model_len: int  # tokens, prompt and answer together


class BadAdapter(ValueError):
    """An adapter folder that cannot be served on this base model; the text says why."""


@dataclass(frozen=True, eq=False)  # the same path may hold another adapter later
class AdapterFile:
    """Where an adapter's matrices are and by how much they are multiplied."""

    weights: Path
    scale: float


def read_adapter(folder: Path, modules: Set[str]) -> AdapterFile:
    """Check an adapter folder against the base model's `modules` (full names of linear layers).

    Raises BadAdapter if it is incomplete, of another base model, or uses what the engine cannot apply.
    """
    try:
        config = json.loads((folder / CONFIG).read_text())
        with safe_open(folder / WEIGHTS, "np") as file:
            names = list(file.keys())
    except (OSError, ValueError, SafetensorError) as error:
        raise BadAdapter(f"The adapter {folder.name} cannot be read: {error}") from error
    used = [name for name in UNSUPPORTED if config.get(name)]
    if config.get("peft_type") != "LORA" or used:
        what = ", ".join(used) or f"peft_type {config.get('peft_type')!r}"
        raise BadAdapter(f"The adapter {folder.name} uses {what}; served are plain LoRA adapters.")
    targets = {match[1] if (match := MATRIX.fullmatch(name)) else name for name in names}
    if unknown := sorted(targets - modules):
        raise BadAdapter(
            f"The adapter {folder.name} changes {unknown[0]}, which is no linear layer of this base model."
        )
    rank = config["r"]
    return AdapterFile(folder / WEIGHTS, config["lora_alpha"] / (math.sqrt(rank) if config.get("use_rslora") else rank))
