"""The SQLite database of a state folder: its tables, and transactions that survive a crash.

Contract: when `Database.write` leaves its block the change is on disk (write-ahead log, synced) or, after an exception,
has not happened at all. Writers queue up one behind the other, readers never wait. One process per database: the
server's lock on the state folder sees to that.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Column, Index, UniqueConstraint, create_engine, event
from sqlmodel import Field, Session, SQLModel

BUSY_MS = 30_000  # another connection may hold the file for as long as a checkpoint takes


class EntityRow(SQLModel, table=True):
    """One object of any kind; `data` is the object, the other columns repeat what lists search by."""

    __tablename__ = "entity"
    __table_args__ = (
        UniqueConstraint("kind", "namespace", "key"),
        UniqueConstraint("kind", "id"),
        Index("entity_by_creation", "kind", "created_at", "seq"),
    )

    seq: int | None = Field(default=None, primary_key=True)
    kind: str
    namespace: str
    key: str  # what is unique in the namespace: the name, or the id where names may repeat
    id: str
    name: str
    created_at: str
    updated_at: str
    data: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class RepoRow(SQLModel, table=True):
    """A repository of files; `head` is its newest commit."""

    __tablename__ = "repo"
    __table_args__ = (UniqueConstraint("repo_type", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    repo_type: str
    name: str
    head: str
    created_at: str
    updated_at: str


class CommitRow(SQLModel, table=True):
    """A commit; `number` counts from 0 in each repository, whose history is one line."""

    __tablename__ = "repo_commit"
    __table_args__ = (UniqueConstraint("repo_id", "number"), UniqueConstraint("repo_id", "oid"))

    id: int | None = Field(default=None, primary_key=True)
    repo_id: int = Field(foreign_key="repo.id", ondelete="CASCADE")
    number: int
    oid: str
    message: str
    created_at: str


class TagRow(SQLModel, table=True):
    """A further name of a commit."""

    __tablename__ = "repo_tag"
    __table_args__ = (UniqueConstraint("repo_id", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    repo_id: int = Field(foreign_key="repo.id", ondelete="CASCADE")
    name: str
    oid: str


class FileRow(SQLModel, table=True):
    """A file's content from commit `added` on, until commit `removed` replaces or deletes it (None: still there).

    A revision's tree is the rows whose interval holds its number, so a commit costs what it changes.
    """

    __tablename__ = "repo_file"
    __table_args__ = (Index("repo_file_by_path", "repo_id", "path"),)

    id: int | None = Field(default=None, primary_key=True)
    repo_id: int = Field(foreign_key="repo.id", ondelete="CASCADE")
    path: str
    size: int
    sha256: str = Field(index=True)
    git_oid: str
    added: int
    removed: int | None = None


class Database:
    """Sessions on one SQLite file."""

    def __init__(self, path: Path) -> None:
        self._engine = create_engine(
            f"sqlite:///{path}",
            connect_args={"check_same_thread": False, "timeout": BUSY_MS / 1000},
            pool_size=16,
            max_overflow=240,
        )
        self._writing = threading.Lock()
        event.listen(self._engine, "connect", _configure)
        event.listen(self._engine, "begin", _begin)
        self._writer = self._engine.execution_options(begin="IMMEDIATE")
        SQLModel.metadata.create_all(self._engine, tables=[row.__table__ for row in TABLES])

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A consistent view of the database as of now."""
        with Session(self._engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """An exclusive transaction: committed at the end of the block, rolled back if it raises. Not reentrant."""
        with self._writing, Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        self._engine.dispose()


TABLES = (EntityRow, RepoRow, CommitRow, TagRow, FileRow)


def open_database(path: Path) -> Database:
    """Open or create the database file. Raises `OSError` if its folder can't be made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return Database(path)


def _configure(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver would begin transactions by itself, and too late
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_MS}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Any) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', 'DEFERRED')}")
