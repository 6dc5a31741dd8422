"""The Hub-compatible API, part two: uploads, in one commit request or by way of LFS.

Bodies of any size go to disk piece by piece, are decoded from there, hashed and only then committed, so memory stays
flat. Every file is told to travel inside the commit (`uploadMode: regular`): the other way needs a xet server.
"""

import shutil
from collections.abc import AsyncIterator
from typing import IO, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from local_nemo.api import hub_answers as answers
from local_nemo.api.commit_stream import read_commit
from local_nemo.api.context import Context, Services, get_services
from local_nemo.api.entity_routes import ok
from local_nemo.api.errors import ApiError
from local_nemo.store.entities import NotFound

router = APIRouter()
UPLOAD_LIMIT = 64 * 2**30
RESERVE = 64 * 2**20  # disk space that an upload leaves free
PIECE = 1 << 20
Object = dict[str, Any]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


async def spooled_body(
    request: Request, services: Annotated[Services, Depends(get_services)]
) -> AsyncIterator[IO[bytes]]:
    """The request's body in a file of the store's incoming folder. Raises `ApiError` 413, 415 or 507."""
    if request.headers.get("content-encoding", "identity").lower() not in ("identity", ""):
        raise ApiError(415, "compressed request bodies are not accepted; send the body as it is")
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > UPLOAD_LIMIT:
        raise ApiError(413, f"an upload holds at most {UPLOAD_LIMIT // 2**30} GiB")
    if int(length) + RESERVE > shutil.disk_usage(services.settings.state).free:
        raise ApiError(507, f"no room for {length} bytes in the state folder; free some space and try again")
    with services.files.blobs.draft() as draft:
        waiting = bytearray()
        async for piece in request.stream():
            waiting += piece
            if len(waiting) >= PIECE:
                await run_in_threadpool(draft.write, bytes(waiting))
                waiting.clear()
            if draft.tell() > UPLOAD_LIMIT:
                raise ApiError(413, f"an upload holds at most {UPLOAD_LIMIT // 2**30} GiB")
        await run_in_threadpool(draft.write, bytes(waiting))
        yield draft


Spooled = Annotated[IO[bytes], Depends(spooled_body)]


class UploadedFile(BaseModel):
    path: str = Field(examples=["training/training.jsonl"])
    size: int = Field(0, examples=[6060000])


class Preupload(BaseModel):
    """The files that a client is about to commit."""

    files: list[UploadedFile] = Field(max_length=10_000)


@router.post(
    "/api/{repo_type}/{namespace}/{name}/preupload/{revision:path}",
    summary="How to upload these files",
    responses=ok(answers.PreuploadAnswer),
)
def preupload(repo_type: str, namespace: str, name: str, revision: str, body: Preupload, services: Context) -> Object:
    repo = f"{namespace}/{name}"
    there = {file.path: file.git_oid for file in services.files.tree(repo_type, repo, revision)}
    answers = []
    for file in body.files:
        answer: Object = {"path": file.path, "uploadMode": "regular", "shouldIgnore": False}
        answers.append(answer | ({"oid": there[file.path]} if file.path in there else {}))
    return {"files": answers, "commitOid": services.files.info(repo_type, repo, revision).sha}


@router.post(
    "/api/{repo_type}/{namespace}/{name}/commit/{revision:path}",
    summary="Commit files",
    responses=ok(answers.CommitDone),
)
def commit(
    repo_type: str,
    namespace: str,
    name: str,
    revision: str,
    request: Request,
    body: Spooled,
    services: Context,
    create_pr: Annotated[bool, Query(description="not supported")] = False,
) -> Object:
    repo = f"{namespace}/{name}"
    if create_pr:
        raise ApiError(400, "pull requests are not supported; commit to main")
    services.files.info(repo_type, repo)  # before anything is decoded
    if revision != "main":
        raise NotFound("revision", f"{repo}@{revision[:100]}", "Commits go to main")
    changes = read_commit(body, services.files.blobs)
    oid = services.files.commit(
        repo_type,
        repo,
        add=changes.add,
        delete=changes.delete,
        message=changes.message,
        parent=changes.parent,
    )
    prefix = "datasets/" if repo_type == "datasets" else ""
    url = f"{str(request.base_url).rstrip('/')}/v1/hf/{prefix}{repo}/commit/{oid}"
    return {"success": True, "commitOid": oid, "commitUrl": url, "hookOutput": ""}


class LfsObject(BaseModel):
    oid: Sha256
    size: int = Field(ge=0, examples=[800])


class LfsBatch(BaseModel):
    operation: str = Field(pattern="^(upload|download)$", examples=["upload"])
    objects: list[LfsObject] = Field(max_length=10_000)


@router.post(
    "/datasets/{namespace}/{name}.git/info/lfs/objects/batch",
    summary="Where to put LFS contents of a dataset",
    responses=ok(answers.LfsAnswer),
)
def lfs_batch_dataset(namespace: str, name: str, body: LfsBatch, request: Request, services: Context) -> Object:
    return lfs_batch("datasets", f"{namespace}/{name}", body, request, services)


@router.post(
    "/{namespace}/{name}.git/info/lfs/objects/batch",
    summary="Where to put LFS contents of a model",
    responses=ok(answers.LfsAnswer),
)
def lfs_batch_model(namespace: str, name: str, body: LfsBatch, request: Request, services: Context) -> Object:
    return lfs_batch("models", f"{namespace}/{name}", body, request, services)


def lfs_batch(repo_type: str, repo: str, body: LfsBatch, request: Request, services: Services) -> Object:
    services.files.info(repo_type, repo)
    root = f"{str(request.base_url).rstrip('/')}/v1/hf/lfs"
    answers = []
    for wanted in body.objects:
        answer: Object = wanted.model_dump()
        stored = services.files.blobs.has(wanted.oid)
        if body.operation == "upload" and not stored:
            answer["actions"] = {"upload": {"href": f"{root}/{wanted.oid}"}, "verify": {"href": f"{root}/verify"}}
        elif body.operation == "download" and stored:
            answer["actions"] = {"download": {"href": f"{root}/{wanted.oid}"}}
        elif body.operation == "download":
            answer["error"] = {"code": 404, "message": f"content {wanted.oid} is not stored"}
        answers.append(answer)
    return {"transfer": "basic", "objects": answers}


@router.put("/lfs/{oid}", summary="Upload a content", responses=ok(answers.LfsStored))
def lfs_upload(oid: Annotated[Sha256, Path()], body: Spooled, services: Context) -> Object:
    blob = services.files.blobs.keep(body, sha256=oid)
    return {"oid": blob.sha256, "size": blob.size}


@router.post("/lfs/verify", summary="Is a content stored whole?", responses=ok(answers.LfsStored))
def lfs_verify(body: LfsObject, services: Context) -> Object:
    blob = services.files.blobs.find(body.oid)
    if blob is None or blob.size != body.size or blob.sha256 != body.oid:
        raise ApiError(404, f"content {body.oid} of {body.size} bytes is not stored; upload it again")
    return {"oid": blob.sha256, "size": blob.size}


async def sent_paths(request: Request) -> list[str]:
    """The paths of a paths-info request: a form (as huggingface_hub sends it) or JSON."""
    if "json" in request.headers.get("content-type", ""):
        sent = await request.json()
        paths = sent.get("paths", []) if isinstance(sent, dict) else []
    else:
        async with request.form(max_files=0, max_fields=10_000) as form:
            paths = form.getlist("paths")
    paths = [paths] if isinstance(paths, str) else paths
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise ApiError(422, [{"loc": ["body", "paths"], "msg": "must be a list of paths", "type": "list_type"}])
    return paths


class Card(BaseModel):
    content: str = Field(examples=["---\nlicense: apache-2.0\n---\n# Data"])


def card_content(card: Card) -> str:
    """The README text of a validate-yaml request."""
    return card.content
