"""Folders that are computed once and then only read: converted weights, exported graphs.

Contract: `derived_folder(path, make)` returns `path`, complete. `make` fills a temporary folder beside it that is
renamed into place, so a crash leaves nothing half-written behind, and a lock file keeps two processes (server and
training worker) from computing the same thing twice. It never refreshes: whatever decides the content must be part of
the folder's name.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


def derived_folder(path: Path, make: Callable[[Path], None]) -> Path:
    """Return `path`, filling it with `make(temporary_folder)` first if it does not exist.

    Raises whatever `make` raises (the temporary folder is removed) and OSError if the parent cannot be written.
    """
    if path.is_dir():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(path.name + ".lock")):
        if path.is_dir():
            return path
        for left_over in path.parent.glob(f"{path.name}.tmp*"):
            shutil.rmtree(left_over, ignore_errors=True)  # we hold the lock, so its maker was killed
        temporary = Path(tempfile.mkdtemp(prefix=path.name + ".tmp", dir=path.parent))
        try:
            make(temporary)
            os.chmod(temporary, 0o755)
            os.rename(temporary, path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return path


def fingerprint(*parts: str) -> str:
    """Return 16 hex digits that name a content by what it is made from (hashes, versions, options)."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
