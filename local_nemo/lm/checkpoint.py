"""A training's state on disk, so that a killed training goes on from its last checkpoint.

A checkpoint is one safetensors file (adapter weights, optimizer moments, random state) with the progress as JSON in its
metadata. It is written beside and renamed into place: a crash while writing leaves the one before. No pickle.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

FILE = "checkpoint.safetensors"
_MOMENTS = ("exp_avg", "exp_avg_sq")


def save(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, progress: dict) -> None:
    """Write the trainable weights, the optimizer and `progress` (JSON) to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {"random": torch.get_rng_state()}
    steps = 0
    for name, parameter in _trainable(model):
        tensors[f"weight.{name}"] = parameter.detach()
        state = optimizer.state.get(parameter)
        if state:
            steps = int(state["step"])
            tensors |= {f"{moment}.{name}": state[moment] for moment in _MOMENTS}
    temporary = folder / (FILE + ".tmp")
    save_file(tensors, temporary, metadata={"progress": json.dumps(progress), "optimizer_steps": str(steps)})
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(folder / FILE)


def load(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict | None:
    """Restore what `save` wrote and return its progress; None if there is no readable checkpoint."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError):
        return None  # unreadable: the training starts again, which is slow but right
    for name, parameter in _trainable(model):
        with torch.no_grad():
            parameter.copy_(tensors[f"weight.{name}"])
        if f"exp_avg.{name}" in tensors:
            optimizer.state[parameter] = {moment: tensors[f"{moment}.{name}"] for moment in _MOMENTS} | {
                "step": torch.tensor(float(metadata["optimizer_steps"]))
            }
    torch.set_rng_state(tensors["random"])
    return json.loads(metadata["progress"])


def _trainable(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
