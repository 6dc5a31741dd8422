"""LoRA: which modules get adapters, adding them with peft, computing them cheaply, saving them.

Module names are those of Hugging Face (`q_proj`) or NeMo (`linear_qkv`). A bare name means the modules of that name in
the upper half of the layers: they learn nearly as much, and everything below needs no backward pass. A pattern with a
dot or a wildcard (`*.layers.0.*.linear_qkv`, `*.q_proj`) means exactly what it matches, in any layer.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import Linear as LoraLinear
from torch import nn

NEMO_MODULES = {
    "linear_qkv": ("q_proj", "k_proj", "v_proj", "qkv_proj"),
    "linear_proj": ("o_proj",),
    "linear_fc1": ("gate_proj", "up_proj", "gate_up_proj"),
    "linear_fc2": ("down_proj",),
}
DEFAULT_MODULES = tuple(NEMO_MODULES)
_LAYER = re.compile(r"\.layers\.(\d+)\.")


class NoSuchModules(ValueError):
    """No linear module of the base model matches what was asked for; the text lists what there is."""


@dataclass(frozen=True)
class LoraSettings:
    """Rank, scale (alpha / rank), dropout and modules of an adapter; the defaults are the Customizer's."""

    adapter_dim: int = 8
    alpha: int = 16
    adapter_dropout: float = 0.0
    target_modules: tuple[str, ...] = field(default=DEFAULT_MODULES)


def match_modules(model: nn.Module, targets: tuple[str, ...]) -> list[str]:
    """Full names of the linear modules inside decoder layers that the targets mean.

    Raises NoSuchModules naming the target that matches nothing.
    """
    names = [
        name for name, module in model.named_modules() if isinstance(module, nn.Linear) and _LAYER.search(f".{name}")
    ]
    upper = (max((layer_of(name) for name in names), default=0) + 1) // 2
    chosen: set[str] = set()
    for target in targets or DEFAULT_MODULES:
        matching = [name for name in names if _matches(name, target, upper)]
        if not matching:
            leaves = sorted({name.rsplit(".", 1)[1] for name in names})
            raise NoSuchModules(
                f"target_modules: {target!r} matches no module of this model; "
                f"it has {', '.join(leaves)} (NeMo's names: {', '.join(NEMO_MODULES)})"
            )
        chosen.update(matching)
    return [name for name in names if name in chosen]


def layer_of(name: str) -> int:
    """The number of the decoder layer that a module lies in."""
    found = _LAYER.search(f".{name}")
    if found is None:
        raise ValueError(f"{name} lies in no decoder layer")
    return int(found[1])


def add_lora(model: nn.Module, settings: LoraSettings, seed: int) -> PeftModel:
    """Freeze the model and give it fresh adapters (output unchanged until trained), initialised from `seed`."""
    config = LoraConfig(
        r=settings.adapter_dim,
        lora_alpha=settings.alpha,
        lora_dropout=settings.adapter_dropout,
        target_modules=match_modules(model, settings.target_modules),
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        adapted = get_peft_model(model, config)
    for module in adapted.modules():
        if isinstance(module, LoraLinear) and not module.use_dora.get("default"):
            module.forward = _FusedForward(module)  # type: ignore[method-assign]
    return adapted


def first_trained_layer(adapted: PeftModel) -> int:
    """The number of the lowest decoder layer with an adapter."""
    return min(layer_of(name) for name, module in adapted.named_modules() if isinstance(module, LoraLinear))


def save_adapter(adapted: PeftModel, folder: Path, base_name: str) -> None:
    """Write `adapter_model.safetensors` and `adapter_config.json` in PEFT's format, each whole or not at all."""
    adapted.peft_config["default"].base_model_name_or_path = base_name
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
        adapted.save_pretrained(draft, save_embedding_layers=False)
        for name in ("adapter_model.safetensors", "adapter_config.json"):
            (Path(draft) / name).replace(folder / name)


def _matches(name: str, target: str, upper: int) -> bool:
    leaf = name.rsplit(".", 1)[1]
    pattern, _, last = target.rpartition(".")
    if not pattern and "*" not in target:
        return layer_of(name) >= upper and leaf in NEMO_MODULES.get(target, (target,))
    if not pattern:
        return layer_of(name) >= upper and fnmatch(leaf, last)
    # NeMo names a module's parent differently (self_attention), so only what stands before the leaf is a pattern
    leaves = NEMO_MODULES.get(last)
    fits = leaf in leaves if leaves else fnmatch(leaf, last)
    return fits and (fnmatch(name, f"{pattern}.*") or fnmatch(name, f"*.{pattern}.*"))


class _FusedForward:
    """Replaces the forward of one peft LoRA layer by a function with as few passes over memory as possible."""

    def __init__(self, layer: LoraLinear):
        self._layer = layer

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        layer = self._layer
        dropout = layer.lora_dropout["default"]
        rate = dropout.p if isinstance(dropout, nn.Dropout) and dropout.training else 0.0
        keep = torch.empty_like(x).bernoulli_(1 - rate).div_(1 - rate) if rate else None
        base, a, b = layer.base_layer, layer.lora_A["default"].weight, layer.lora_B["default"].weight
        return _LoraLinear.apply(x, base.weight, base.bias, a, b, layer.scaling["default"], keep)


class _LoraLinear(torch.autograd.Function):
    """y = x W' + bias + s (x*keep) A' B', with W frozen."""

    @staticmethod
    def forward(ctx, x, weight, bias, a, b, scale, keep):
        rows = x.reshape(-1, x.shape[-1])
        reduced = (rows if keep is None else rows * keep.reshape(rows.shape)) @ a.T
        out = nn.functional.linear(rows, weight, bias)
        out.addmm_(reduced, b.T, alpha=scale)
        ctx.save_for_backward(x, weight, a, b, reduced, keep)
        ctx.scale = scale
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx, gradient):
        x, weight, a, b, reduced, keep = ctx.saved_tensors
        rows, out = x.reshape(-1, x.shape[-1]), gradient.reshape(-1, gradient.shape[-1])
        kept = None if keep is None else keep.reshape(rows.shape)
        inner = (out @ b).mul_(ctx.scale)
        grad_a = inner.T @ (rows if kept is None else rows * kept)
        grad_b = (out.T @ reduced).mul_(ctx.scale)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = out @ weight
            if kept is None:
                grad_x.addmm_(inner, a)
            else:
                grad_x += (inner @ a).mul_(kept)
            grad_x = grad_x.view(x.shape)
        return grad_x, None, None, grad_a, grad_b, None, None
