"""The Hub-compatible API, part three: file contents, whole or in ranges, of any revision."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import FileResponse

from local_nemo.api.context import Context
from local_nemo.store.entities import NotFound

router = APIRouter()
DATASET_FILE = "/datasets/{namespace}/{name}/resolve/{revision}/{path:path}"
MODEL_FILE = "/{namespace}/{name}/resolve/{revision}/{path:path}"


@router.head(DATASET_FILE, include_in_schema=False)
@router.get(DATASET_FILE, summary="A file of a dataset", response_class=FileResponse)
def resolve_dataset(namespace: str, name: str, revision: str, path: str, services: Context) -> FileResponse:
    return content("datasets", f"{namespace}/{name}", path, revision, services)


@router.head(MODEL_FILE, include_in_schema=False)
@router.get(MODEL_FILE, summary="A file of a model", response_class=FileResponse)
def resolve_model(namespace: str, name: str, revision: str, path: str, services: Context) -> FileResponse:
    return content("models", f"{namespace}/{name}", path, revision, services)


@router.get("/lfs/{oid}", summary="A content by its SHA-256", response_class=FileResponse)
def lfs_content(oid: Annotated[str, Path(pattern="^[0-9a-f]{64}$")], services: Context) -> FileResponse:
    if not services.files.blobs.has(oid):
        raise NotFound("content", oid)
    return attachment(services.files.blobs.path(oid), oid, {"etag": f'"{oid}"'})


def content(repo_type: str, repo: str, path: str, revision: str, services: Context) -> FileResponse:
    """Raises `NotFound`, `FileMissing`."""
    commit = services.files.info(repo_type, repo, revision).sha
    file = services.files.file(repo_type, repo, path, commit)
    headers = {"etag": f'"{file.git_oid}"', "x-repo-commit": commit}
    return attachment(services.files.blobs.path(file.sha256), path.rpartition("/")[2], headers)


def attachment(place, name: str, headers: dict[str, str]) -> FileResponse:
    """Never a page: what a stored file holds must not run in a browser as if it were ours."""
    headers |= {"x-content-type-options": "nosniff"}
    return FileResponse(place, headers=headers, media_type="application/octet-stream", filename=name)
