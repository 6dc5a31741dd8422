"""The base model as OpenVINO IR, exported once and cached: what the engine opens.

`load_ir` exports with optimum-intel (about 15 s and 1.4 GB for the bundled model) and adds the OpenVINO tokenizer and
detokenizer. The graph is stateful fp32; LoRA adapters are applied to it while it runs. `without_telemetry` must have
been called before anything imports openvino: importing it forks a process that reports usage, unless told not to.
"""

from __future__ import annotations

import logging
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from .derived import derived_folder, fingerprint
from .tokenizer import load_tokenizer

if TYPE_CHECKING:
    from .base import Base

LIBRARIES = ("openvino", "openvino-tokenizers", "optimum-intel", "optimum", "transformers", "torch")


def without_telemetry() -> None:
    """Keep `import openvino` from starting its telemetry sender. Harmless when repeated."""
    if "openvino_telemetry" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # how Python marks what must not be imported


def without_export_warnings() -> None:
    """Keep back what exporting always says: traced constants, a look for files that need not exist. Ours stay."""
    from torch.jit import TracerWarning

    warnings.filterwarnings("ignore", category=TracerWarning)
    for library in ("optimum", "transformers"):
        logging.getLogger(library).setLevel(logging.ERROR)


def load_ir(base: Base, cache: Path) -> Path:
    """Return the folder with the IR of `base` (model, tokenizer, detokenizer), exporting it if needed."""
    return derived_folder(ir_folder(base, cache), lambda folder: _export(base, folder))


def ir_folder(base: Base, cache: Path) -> Path:
    """Where the IR of `base` is, or would be; its name changes with the base and with the libraries that export it."""
    mark = fingerprint("ir-1", base.fingerprint, *(f"{package}={version(package)}" for package in LIBRARIES))
    return cache / f"ir-{mark}"


def _export(base: Base, folder: Path) -> None:
    without_telemetry()
    import openvino
    from openvino_tokenizers import convert_tokenizer
    from optimum.intel import OVModelForCausalLM

    without_export_warnings()  # after the imports, which set their loggers up
    model = OVModelForCausalLM.from_pretrained(
        str(base.path), export=True, compile=False, load_in_8bit=False, local_files_only=True
    )
    model.save_pretrained(folder)
    tokenizer = load_tokenizer(base)
    tokenizer.save_pretrained(folder)
    # Default arguments only: with others the continuous batching pipeline does not open
    encoder, decoder = convert_tokenizer(tokenizer, with_detokenizer=True)
    openvino.save_model(encoder, folder / "openvino_tokenizer.xml")
    openvino.save_model(decoder, folder / "openvino_detokenizer.xml")
