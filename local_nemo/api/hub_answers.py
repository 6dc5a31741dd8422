"""The answers of the Hub-compatible API: their schemas for the OpenAPI document, and repositories and trees as JSON."""

import hashlib
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from local_nemo.store.repos import FileInfo, RepoInfo

Object = dict[str, Any]

REPO = "xlam-tutorial-ns/xlam-ft-dataset"
FILE = "training/training.jsonl"
COMMIT = "0b5e3a1c9f0d4a7e8b6c2d1f3a5b7c9d0e1f2a3b"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class NewRepo(BaseModel):
    """A repository that was created; `url` is also in the 409 of one that exists."""

    url: str = Field(examples=[f"http://127.0.0.1:8900/v1/hf/datasets/{REPO}"])
    name: str = Field(examples=[REPO])
    id: str = Field(examples=[REPO])


class Said(BaseModel):
    message: str = Field(examples=[f"datasets {REPO} deleted"])


class CardCheck(BaseModel):
    """What is wrong with a README's metadata."""

    errors: list[Said]
    warnings: list[Said]


class Sibling(BaseModel):
    """A file of a repository; size and blob only with `blobs=true`."""

    rfilename: str = Field(examples=[FILE])
    size: int | None = Field(None, examples=[800])
    blobId: str | None = Field(None, examples=[COMMIT])


class Repo(BaseModel):
    """What a repository, or one of its revisions, is."""

    id: str = Field(examples=[REPO])
    author: str = Field(examples=["xlam-tutorial-ns"])
    sha: str = Field(examples=[COMMIT])
    createdAt: str = Field(examples=["2025-04-08T07:05:42.000Z"])
    lastModified: str = Field(examples=["2025-04-08T07:05:42.000Z"])
    private: bool
    gated: bool
    disabled: bool
    tags: list[str] = Field(examples=[[]])


class RepoWithFiles(Repo):
    siblings: list[Sibling]


class TreeEntry(BaseModel):
    type: Literal["file", "directory"]
    path: str = Field(examples=[FILE])
    size: int = Field(examples=[800])
    oid: str = Field(examples=[COMMIT])


class Ref(BaseModel):
    name: str = Field(examples=["main"])
    ref: str = Field(examples=["refs/heads/main"])
    targetCommit: str = Field(examples=[COMMIT])


class Refs(BaseModel):
    branches: list[Ref]
    tags: list[Ref]
    converts: list[Ref]
    pullRequests: list[Ref]


class CommitEntry(BaseModel):
    """A commit in the history."""

    id: str = Field(examples=[COMMIT])
    title: str = Field(examples=["Upload training/training.jsonl"])
    message: str
    date: str = Field(examples=["2025-04-08T07:05:42.000Z"])
    authors: list[str]


class Tag(BaseModel):
    tag: str = Field(examples=["v1"])


class UploadAdvice(BaseModel):
    """How to send a file; `oid` is the stored one's, if there is one."""

    path: str = Field(examples=[FILE])
    uploadMode: Literal["regular"]
    shouldIgnore: bool
    oid: str | None = Field(None, examples=[COMMIT])


class PreuploadAnswer(BaseModel):
    files: list[UploadAdvice]
    commitOid: str = Field(examples=[COMMIT])


class CommitDone(BaseModel):
    success: bool
    commitOid: str = Field(examples=[COMMIT])
    commitUrl: str = Field(examples=[f"http://127.0.0.1:8900/v1/hf/datasets/{REPO}/commit/{COMMIT}"])
    hookOutput: str


class LfsStored(BaseModel):
    oid: str = Field(examples=[SHA256])
    size: int = Field(examples=[800])


class LfsAdvice(LfsStored):
    """Where to put or get a content; without `actions` there is nothing to do."""

    actions: dict[str, Any] | None = Field(
        None, examples=[{"upload": {"href": f"http://127.0.0.1:8900/v1/hf/lfs/{SHA256}"}}]
    )
    error: dict[str, Any] | None = Field(None, examples=[{"code": 404, "message": "not stored"}])


class LfsAnswer(BaseModel):
    transfer: Literal["basic"]
    objects: list[LfsAdvice]


def repo_object(info: RepoInfo) -> Object:
    return {
        "id": info.name,
        "author": info.name.split("/")[0],
        "sha": info.sha,
        "createdAt": hub_time(info.created_at),
        "lastModified": hub_time(info.updated_at),
        "private": False,
        "gated": False,
        "disabled": False,
        "tags": [],
    }


def tree_objects(files: list[FileInfo]) -> list[Object]:
    """Files and the folders they imply, by path; a folder's oid changes with anything in it."""
    folders: dict[str, Any] = {}
    for file in files:
        parts = file.path.split("/")
        for end in range(1, len(parts)):
            digest = folders.setdefault("/".join(parts[:end]), hashlib.sha1(usedforsecurity=False))
            digest.update(f"{file.path}\0{file.git_oid}\0".encode())
    entries = [{"type": "directory", "path": path, "size": 0, "oid": sum.hexdigest()} for path, sum in folders.items()]
    entries += [{"type": "file", "path": file.path, "size": file.size, "oid": file.git_oid} for file in files]
    return sorted(entries, key=lambda entry: entry["path"])


def hub_time(stamp: str) -> str:
    return datetime.fromisoformat(stamp).isoformat(timespec="milliseconds") + "Z"
