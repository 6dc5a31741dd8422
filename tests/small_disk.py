"""A disk of a test's own, mounted in a namespace that ends with the process that sees it."""

import shutil
import subprocess
from pathlib import Path

import pytest

DISK_MIB = 96  # an upload must leave 64 MiB free
MOUNT = 'mount -t tmpfs -o {options} none "$0" && exec "$@"'


def may_mount() -> bool:
    """Whether this machine lets a test mount a disk."""
    if shutil.which("unshare") is None:
        return False
    return (
        subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode == 0
    )


def mounted_on(folder: Path, options: str = f"size={DISK_MIB}m") -> tuple[str, ...]:
    """The beginning of a command line whose rest runs with a disk on this folder; skips the test if not permitted."""
    if not may_mount():
        pytest.skip("this system does not let a test mount a disk of its own")
    folder.mkdir(exist_ok=True)
    return ("unshare", "-rm", "sh", "-c", MOUNT.format(options=options), str(folder))
