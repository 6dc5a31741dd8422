"""Everything the engine needs of a base model, on disk: weights, tokenizer, IR, placeholder adapter.

`prepared` is cheap when the cache has them. Otherwise the work runs in a process of its own, because converting and
exporting leaves a gigabyte of torch behind that the server should not carry.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .base import Base, open_base
from .errors import BaseModelUnavailable
from .ir import ir_folder, load_ir
from .placeholder import placeholder

ROOT = Path(__file__).resolve().parents[2]  # where `python -m local_nemo...` works, wherever the server was started
SECONDS = 1800  # a large base model from a hub over a slow line


@dataclass(frozen=True)
class Prepared:
    """A base model with its exported graph and the adapter to open it with."""

    base: Base
    ir: Path
    placeholder: Path


def prepare(reference: str, name: str, cache: Path) -> Prepared:
    """Convert, export and cache in this process (about a minute, 1.5 GB, for the bundled model)."""
    base = open_base(reference, name, cache)
    ir = load_ir(base, cache)
    return Prepared(base, ir, placeholder(base.path, ir.with_name(f"placeholder-{base.fingerprint}")))


def prepared(reference: str, name: str, cache: Path) -> Prepared:
    """The same, in a process of its own if anything is missing. Raises BaseModelUnavailable."""
    folder = Path(reference).expanduser()
    reference = str(folder.resolve()) if folder.is_dir() else reference
    if not _complete(reference, name, cache):
        command = [sys.executable, "-m", "local_nemo.lm.prepare", reference, name, str(cache)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, cwd=ROOT, check=False)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"the export ended with {done.returncode}"]
            raise BaseModelUnavailable(reference, lines[-1], "server.log and `python -m local_nemo prepare` say more")
    return prepare(reference, name, cache)


def _complete(reference: str, name: str, cache: Path) -> bool:
    if reference == "bundled" and not any(cache.glob("base-*/config.json")):
        return False
    return ir_folder(open_base(reference, name, cache), cache).is_dir()


if __name__ == "__main__":
    try:
        prepare(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    except (BaseModelUnavailable, ValueError, OSError) as error:
        sys.exit(str(error))
