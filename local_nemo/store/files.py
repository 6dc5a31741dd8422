"""File contents by hash: `blobs/<first two digits>/<sha256>`, each written once and never changed.

Contract: a content is at its final place only when it is complete, synced to disk and hashed; a crash leaves at most
unfinished files in `blobs/incoming/`, which the next start removes. Contents that nothing refers to any more go when
their repository goes (`drop`), or at a start (`collect`); never one whose commit may still be on its way: those are
counted from `keep` to `settle`, and over a restart an hour is allowed.
"""

import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

CHUNK = 1 << 20
YOUNGEST_GARBAGE_S = 3600


class HashMismatch(ValueError):
    """A content is not what its hash or size says."""


@dataclass(frozen=True)
class Blob:
    """A stored content: its length in bytes and its names (`git_oid`: SHA-1 as git computes it)."""

    size: int
    sha256: str
    git_oid: str


class Blobs:
    """The contents in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self._lock = threading.Lock()  # between finding a content in place and removing it
        self._on_their_way: Counter[str] = Counter()
        shutil.rmtree(self._incoming, ignore_errors=True)
        self._incoming.mkdir(parents=True)

    @contextmanager
    def draft(self) -> Iterator[IO[bytes]]:
        """A new file to write a content to; it vanishes at the end of the block unless it was kept."""
        with tempfile.NamedTemporaryFile(dir=self._incoming, delete=False) as file:
            try:
                yield file
            finally:
                Path(file.name).unlink(missing_ok=True)

    def keep(self, draft: IO[bytes], sha256: str | None = None, size: int | None = None) -> Blob:
        """Store what was written to a draft. Raises `HashMismatch` if it is not what it should be."""
        draft.flush()
        os.fsync(draft.fileno())
        blob = describe(Path(draft.name))
        if size is not None and size != blob.size:
            raise HashMismatch(f"{blob.size} bytes arrived instead of {size}; send the file again")
        if sha256 is not None and sha256 != blob.sha256:
            raise HashMismatch(f"the content's SHA-256 is {blob.sha256}, not {sha256}; send the file again")
        place = self._place(blob.sha256)
        with self._lock:  # an older copy is replaced: it may have been damaged, and is old enough for `collect`
            _make_durable_folder(place.parent)
            os.chmod(draft.name, 0o444)
            os.rename(draft.name, place)
            _sync_folder(place.parent)
            self._on_their_way[blob.sha256] += 1
        return blob

    def settle(self, hashes: Iterable[str]) -> None:
        """The commit of these contents has landed or failed."""
        with self._lock:
            self._on_their_way = +(self._on_their_way - Counter(hashes))

    def drop(self, hashes: Iterable[str], is_used: Callable[[str], bool]) -> None:
        """Remove those of these contents that are neither used nor on their way into a commit."""
        for sha256 in hashes:
            with self._lock:
                if not self._on_their_way[sha256] and not is_used(sha256):
                    self._place(sha256).unlink(missing_ok=True)

    def put(self, content: bytes | Path) -> Blob:
        """Store bytes or a copy of a file."""
        with self.draft() as draft:
            if isinstance(content, bytes):
                draft.write(content)
            else:
                with content.open("rb") as source:
                    shutil.copyfileobj(source, draft, CHUNK)
            return self.keep(draft)

    def path(self, sha256: str) -> Path:
        """Where a content lies, for reading only. Raises `FileNotFoundError`."""
        place = self._place(sha256)
        if not place.is_file():
            raise FileNotFoundError(f"content {sha256} is missing from {self._folder}; restore it from a backup")
        return place

    def find(self, sha256: str) -> Blob | None:
        """The stored content of this hash, if any."""
        return describe(self._place(sha256)) if self.has(sha256) else None

    def has(self, sha256: str) -> bool:
        return self._place(sha256).is_file()

    def all(self) -> Iterator[str]:
        """The hash of every stored content."""
        for folder in sorted(self._folder.glob("[0-9a-f][0-9a-f]")):
            yield from sorted(entry.name for entry in folder.iterdir())

    def damaged(self) -> list[str]:
        """Hashes of contents whose bytes have changed on disk. Reads everything: 1 GB takes seconds."""
        return [sha256 for sha256 in self.all() if describe(self._place(sha256)).sha256 != sha256]

    def collect(self, is_used: Callable[[str], bool], clock: Callable[[], float] = time.time) -> int:
        """At a start: remove contents that are not used and not young; returns how many."""
        removed = 0
        for sha256 in self.all():
            if is_used(sha256):
                continue
            place = self._place(sha256)
            with self._lock:
                if clock() - place.stat().st_mtime > YOUNGEST_GARBAGE_S:
                    place.unlink()
                    removed += 1
        return removed

    def _place(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256


def describe(path: Path) -> Blob:
    """Size and hashes of a file, read in pieces."""
    size = path.stat().st_size
    sha256, git = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            sha256.update(chunk)
            git.update(chunk)
    return Blob(size, sha256.hexdigest(), git.hexdigest())


def _make_durable_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    """A rename is durable only when its folder is synced too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
