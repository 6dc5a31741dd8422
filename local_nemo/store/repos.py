"""Repositories of files with history: one line of commits each, every revision readable for ever.

Contract: a commit lands whole or not at all, and is on disk when `commit` returns; commits to one repository queue up,
so parallel ones all land. `repo_type` is "datasets" or "models", `repo` is "namespace/name", a revision is "main", a
tag or a commit of 40 hex digits; branches other than main are not supported. Contents are shared by hash (`Blobs`).
"""

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlmodel import col, select

from local_nemo.store.database import CommitRow, Database, FileRow, RepoRow, TagRow
from local_nemo.store.entities import AlreadyExists, NotFound, now
from local_nemo.store.files import Blob, Blobs
from local_nemo.store.history import (
    MAIN,
    FileMissing,
    add_files,
    append_commit,
    delete_files,
    find_repo,
    set_tag,
    the_commit,
    the_repo,
    tree_at,
)
from local_nemo.store.names import check_path, check_repo, parse_reference


class StaleParent(Exception):
    """A commit names a parent that is no longer the newest commit; nothing was changed."""


@dataclass(frozen=True)
class FileInfo:
    """A file of a revision."""

    path: str
    size: int
    sha256: str
    git_oid: str


@dataclass(frozen=True)
class CommitInfo:
    oid: str
    message: str
    created_at: str


@dataclass(frozen=True)
class RepoInfo:
    """A repository and the revision that was asked for: its commit and the commit's time."""

    repo_type: str
    name: str
    sha: str
    created_at: str
    updated_at: str


class Files:
    """All repositories of a state folder."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self.blobs = Blobs(folder)
        self.blobs.collect(self._is_used)

    def create_repo(self, repo_type: str, repo: str) -> RepoInfo:
        """A new repository with an empty first commit. Raises `AlreadyExists`, `BadName`."""
        check_repo(repo_type, repo)
        stamp = now()
        with self._database.write() as session:
            if find_repo(session, repo_type, repo):
                raise AlreadyExists("repository", repo)
            row = RepoRow(repo_type=repo_type, name=repo, head="", created_at=stamp, updated_at=stamp)
            session.add(row)
            session.flush()
            append_commit(session, row, "initial commit", 0, stamp)
            return _info(row, row.head, stamp)

    def ensure_repo(self, repo_type: str, repo: str) -> RepoInfo:
        """The repository, made if it is missing."""
        try:
            return self.create_repo(repo_type, repo)
        except AlreadyExists:
            return self.info(repo_type, repo)

    def delete_repo(self, repo_type: str, repo: str) -> None:
        """Remove a repository with its history. Raises `NotFound`."""
        with self._database.write() as session:
            row = the_repo(session, repo_type, repo)
            held = set(session.exec(select(FileRow.sha256).where(FileRow.repo_id == row.id)))
            session.delete(row)
        self.blobs.drop(held, self._is_used)

    def repo_exists(self, repo_type: str, repo: str) -> bool:
        with self._database.read() as session:
            return find_repo(session, repo_type, repo) is not None

    def repos(self, repo_type: str, namespace: str = "") -> list[RepoInfo]:
        """The repositories of a type, of one namespace if given, by name."""
        chosen = select(RepoRow).where(RepoRow.repo_type == repo_type).order_by(RepoRow.name)
        if namespace:
            chosen = chosen.where(col(RepoRow.name).startswith(f"{namespace}/", autoescape=True))
        with self._database.read() as session:
            return [_info(row, row.head, row.updated_at) for row in session.exec(chosen)]

    def info(self, repo_type: str, repo: str, revision: str = MAIN) -> RepoInfo:
        """Raises `NotFound` for the repository or the revision."""
        with self._database.read() as session:
            row = the_repo(session, repo_type, repo)
            commit = the_commit(session, row, revision)
            return _info(row, commit.oid, commit.created_at)

    def commits(self, repo_type: str, repo: str, revision: str = MAIN) -> list[CommitInfo]:
        """The history that led to a revision, newest first."""
        with self._database.read() as session:
            row = the_repo(session, repo_type, repo)
            last = the_commit(session, row, revision)
            chosen = select(CommitRow).where(CommitRow.repo_id == row.id, CommitRow.number <= last.number)
            found = session.exec(chosen.order_by(col(CommitRow.number).desc()))
            return [CommitInfo(one.oid, one.message, one.created_at) for one in found]

    def commit(
        self,
        repo_type: str,
        repo: str,
        *,
        add: Mapping[str, bytes | Path | Blob] | None = None,
        delete: Iterable[str] = (),
        message: str,
        parent: str | None = None,
        tag: str | None = None,
    ) -> str:
        """Add or replace files and delete others in one step; returns the commit's 40 hex digits.

        - add: content by path: bytes, a file to copy, or a content that is already in `blobs`.
        - delete: paths of files; one that ends in "/" is a folder with all it holds. Deletions come before additions.
        - parent: if given, the commit that must be the newest.
        - tag: a further name for the resulting commit (moved if another commit had it).

        A commit that changes nothing is not made: the newest one is returned. Raises `NotFound` (repository, or a path
        to delete), `BadName`, `StaleParent`.
        """
        paths = [check_path(path) for path in add or {}]
        contents = {path: _stored(self.blobs, (add or {})[path]) for path in paths}
        try:
            with self._database.write() as session:
                row = the_repo(session, repo_type, repo)
                if parent is not None and parent != row.head:
                    raise StaleParent(f"{repo}: the newest commit is {row.head}, not {parent}; fetch it and try again")
                number = the_commit(session, row, MAIN).number + 1
                changed = delete_files(session, row, list(delete), number)
                changed |= add_files(session, row, contents, number)
                if changed:
                    append_commit(session, row, message, number, now())
                if tag is not None:
                    set_tag(session, row, tag, row.head)
                return row.head
        finally:
            self.blobs.settle(blob.sha256 for blob in contents.values())

    def tag(self, repo_type: str, repo: str, name: str, revision: str = MAIN) -> None:
        """Give a revision a further name, moving the name if it exists. Raises `NotFound`, `BadName`."""
        with self._database.write() as session:
            row = the_repo(session, repo_type, repo)
            set_tag(session, row, name, the_commit(session, row, revision).oid)

    def tags(self, repo_type: str, repo: str) -> dict[str, str]:
        """Commit by tag."""
        with self._database.read() as session:
            row = the_repo(session, repo_type, repo)
            return {tag.name: tag.oid for tag in session.exec(select(TagRow).where(TagRow.repo_id == row.id))}

    def delete_tag(self, repo_type: str, repo: str, name: str) -> None:
        """Raises `NotFound`."""
        with self._database.write() as session:
            row = the_repo(session, repo_type, repo)
            found = session.exec(select(TagRow).where(TagRow.repo_id == row.id, TagRow.name == name)).one_or_none()
            if found is None:
                raise NotFound("revision", f"{repo}@{name}")
            session.delete(found)

    def tree(self, repo_type: str, repo: str, revision: str = MAIN) -> list[FileInfo]:
        """Every file of a revision, by path. Raises `NotFound`."""
        with self._database.read() as session:
            row = the_repo(session, repo_type, repo)
            number = the_commit(session, row, revision).number
            return [_file(one) for one in session.exec(tree_at(row, number).order_by(FileRow.path))]

    def file(self, repo_type: str, repo: str, file: str, revision: str = MAIN) -> FileInfo:
        """One file of a revision. Raises `NotFound`, `FileMissing`."""
        with self._database.read() as session:
            row = the_repo(session, repo_type, repo)
            commit = the_commit(session, row, revision)
            found = session.exec(tree_at(row, commit.number).where(FileRow.path == file)).one_or_none()
            if found is None:
                raise FileMissing(repo, file[:200], commit.oid)
            return _file(found)

    def path(self, repo_type: str, repo: str, file: str, revision: str = MAIN) -> Path:
        """A file's content on disk, for reading only. Raises `NotFound`, `FileMissing`."""
        return self.blobs.path(self.file(repo_type, repo, file, revision).sha256)

    def resolve(self, url: str) -> tuple[str, str, str, str]:
        """(repo_type, repo, path or "", revision) of an hf:// or nds:// reference. Raises `BadName`, a `ValueError`."""
        return parse_reference(url)

    def checkout(self, repo_type: str, repo: str, folder: Path, revision: str = MAIN) -> None:
        """Put a revision's files into a folder as hard links (copies across file systems): do not write to them."""
        for file in self.tree(repo_type, repo, revision):
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            source = self.blobs.path(file.sha256)
            try:
                os.link(source, target)
            except OSError:
                shutil.copyfile(source, target)

    def damaged(self) -> list[str]:
        """One sentence for every file whose content on disk is missing or not what its hash says."""
        bad = set(self.blobs.damaged())
        chosen = select(RepoRow.repo_type, RepoRow.name, FileRow.path, FileRow.sha256).join(FileRow)
        with self._database.read() as session:
            used = session.exec(chosen.distinct()).all()
        return [
            f"{repo_type}/{name}/{path}: content {sha256} is {'damaged' if sha256 in bad else 'missing'}"
            for repo_type, name, path, sha256 in used
            if sha256 in bad or not self.blobs.has(sha256)
        ]

    def _is_used(self, sha256: str) -> bool:
        with self._database.read() as session:
            return session.exec(select(FileRow.id).where(FileRow.sha256 == sha256).limit(1)).first() is not None


def _stored(blobs: Blobs, content: bytes | Path | Blob) -> Blob:
    return content if isinstance(content, Blob) else blobs.put(content)


def _info(row: RepoRow, sha: str, updated_at: str) -> RepoInfo:
    return RepoInfo(row.repo_type, row.name, sha, row.created_at, updated_at)


def _file(row: FileRow) -> FileInfo:
    return FileInfo(row.path, row.size, row.sha256, row.git_oid)
