"""The rows behind a repository's history: which files a revision holds, and what a commit changes.

Every function works inside the caller's transaction. A file's row holds from the commit that added it until the one
that removed it, so a revision's tree is one query and a commit costs what it changes.
"""

import hashlib
from collections.abc import Mapping

from sqlalchemy import delete, or_
from sqlmodel import Session, col, select

from local_nemo.store.database import CommitRow, FileRow, RepoRow, TagRow
from local_nemo.store.entities import NotFound
from local_nemo.store.files import Blob
from local_nemo.store.names import REVISION, BadName, check_path

MAIN = "main"


class FileMissing(NotFound):
    """No such file in an existing revision, whose `commit` this names."""

    def __init__(self, repo: str, path: str, commit: str) -> None:
        self.commit = commit
        super().__init__("file", f"{repo}/{path}", f"Looked in commit {commit}")


def find_repo(session: Session, repo_type: str, repo: str) -> RepoRow | None:
    return session.exec(select(RepoRow).where(RepoRow.repo_type == repo_type, RepoRow.name == repo)).one_or_none()


def the_repo(session: Session, repo_type: str, repo: str) -> RepoRow:
    row = find_repo(session, repo_type, repo)
    if row is None:
        raise NotFound("repository", f"{repo_type}/{repo}")
    return row


def the_commit(session: Session, row: RepoRow, revision: str) -> CommitRow:
    oid = row.head
    if revision not in (MAIN, f"refs/heads/{MAIN}"):
        tag = session.exec(select(TagRow.oid).where(TagRow.repo_id == row.id, TagRow.name == revision)).one_or_none()
        oid = tag or revision
    found = session.exec(select(CommitRow).where(CommitRow.repo_id == row.id, CommitRow.oid == oid)).one_or_none()
    if found is None:
        raise NotFound("revision", f"{row.name}@{revision[:100]}", "Use main, a tag, or a commit of 40 hex digits")
    return found


def tree_at(row: RepoRow, number: int):
    still_there = or_(col(FileRow.removed).is_(None), col(FileRow.removed) > number)
    return select(FileRow).where(FileRow.repo_id == row.id, FileRow.added <= number, still_there)


def append_commit(session: Session, row: RepoRow, message: str, number: int, stamp: str) -> None:
    text = f"{row.repo_type}/{row.name}\0{row.id}\0{row.head}\0{number}\0{stamp}\0{message}"
    row.head = hashlib.sha1(text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()
    row.updated_at = stamp
    session.add(CommitRow(repo_id=row.id, number=number, oid=row.head, message=message, created_at=stamp))


def delete_files(session: Session, row: RepoRow, paths: list[str], number: int) -> bool:
    current = tree_at(row, number)
    for path in paths:
        is_folder = path.endswith("/")
        check_path(path.rstrip("/"))
        match = col(FileRow.path).startswith(path, autoescape=True) if is_folder else FileRow.path == path
        found = session.exec(current.where(match)).all()
        if not found:
            raise FileMissing(row.name, path[:200], row.head)
        for file in found:
            file.removed = number
        session.flush()
    return bool(paths)


def add_files(session: Session, row: RepoRow, contents: Mapping[str, Blob], number: int) -> bool:
    there = {file.path: file for file in session.exec(tree_at(row, number))}
    _check_folders(set(there) | set(contents))
    changed = False
    for path, blob in contents.items():
        old = there.get(path)
        if old is not None and old.sha256 == blob.sha256:
            continue
        if old is not None:
            old.removed = number
        session.add(
            FileRow(repo_id=row.id, path=path, size=blob.size, sha256=blob.sha256, git_oid=blob.git_oid, added=number)
        )
        changed = True
    return changed


def _check_folders(paths: set[str]) -> None:
    """No path may be a file and a folder at once: nobody could check that out."""
    for path in paths:
        parts = path.split("/")
        for end in range(1, len(parts)):
            if "/".join(parts[:end]) in paths:
                raise BadName(f"path {path[:100]!r} is refused: {'/'.join(parts[:end])[:100]!r} is a file")


def set_tag(session: Session, row: RepoRow, name: str, oid: str) -> None:
    if not REVISION.fullmatch(name) or name == MAIN:
        raise BadName(f"{name[:100]!r} can't be a tag; use letters, digits and _ . + -")
    session.exec(delete(TagRow).where(TagRow.repo_id == row.id, TagRow.name == name))
    session.add(TagRow(repo_id=row.id, name=name, oid=oid))
