"""The Hub-compatible API under `/v1/hf`, part one: repositories, their trees and revisions.

`huggingface_hub` with `endpoint=f"{url}/v1/hf"` works unchanged. Uploads are in `hub_upload`, downloads in
`hub_download`. Errors are told apart by the header `X-Error-Code` (see `errors`). Not here: branches other than main,
pull requests, discussions, spaces, xet.
"""

from typing import Annotated, Any, Literal

import yaml
from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from local_nemo.api import hub_answers as answers
from local_nemo.api import hub_download, hub_upload
from local_nemo.api.context import Context
from local_nemo.api.entity_routes import ok
from local_nemo.api.errors import ApiError
from local_nemo.store.entities import AlreadyExists, NotFound
from local_nemo.store.history import FileMissing

PREFIX = "/v1/hf"
LONGEST_CARD = 100_000
router = APIRouter(prefix=PREFIX, tags=["Hub"])
RepoType = Annotated[Literal["datasets", "models"], Path()]
Object = dict[str, Any]


class RepoName(BaseModel):
    """How clients name a repository when they create or delete it; a missing type means model."""

    model_config = ConfigDict(extra="ignore")
    name: str = Field(examples=["xlam-ft-dataset"])
    organization: str | None = Field(None, examples=["xlam-tutorial-ns"])
    type: str | None = Field(None, examples=["dataset"])

    def parts(self) -> tuple[str, str]:
        """(repo_type, "namespace/name"). Raises `ApiError`."""
        if self.type not in (None, "model", "dataset"):
            raise ApiError(400, f"repositories of type {self.type[:40]!r} are not supported; use dataset or model")
        if self.organization is None and "/" not in self.name:
            raise ApiError(400, f"repository {self.name[:100]!r} needs a namespace: namespace/{self.name[:100]}")
        repo = self.name if self.organization is None else f"{self.organization}/{self.name}"
        return "datasets" if self.type == "dataset" else "models", repo


@router.post("/api/repos/create", summary="Create a repository", responses=ok(answers.NewRepo))
def create_repo(body: RepoName, request: Request, services: Context) -> Response:
    repo_type, repo = body.parts()
    url = repo_url(request, repo_type, repo)
    try:
        services.files.create_repo(repo_type, repo)
    except AlreadyExists as error:  # clients that accept this read the url from it
        text = f"{error}: you already created it"
        return JSONResponse({"error": text, "detail": text, "url": url}, 409, {"x-should-retry": "false"})
    return JSONResponse({"url": url, "name": repo, "id": repo})


@router.delete("/api/repos/delete", summary="Delete a repository with its history", responses=ok(answers.Said))
def delete_repo(body: RepoName, services: Context) -> Object:
    repo_type, repo = body.parts()
    services.files.delete_repo(repo_type, repo)
    return {"message": f"{repo_type} {repo} deleted"}


@router.post("/api/validate-yaml", summary="Check the metadata block of a README", responses=ok(answers.CardCheck))
def validate_yaml(content: Annotated[str, Depends(hub_upload.card_content)]) -> Object:
    block = content.split("---", 2)[1] if content.startswith("---") and content.count("---") > 1 else ""
    errors = [f"the metadata block is longer than {LONGEST_CARD} characters"] if len(block) > LONGEST_CARD else []
    try:
        yaml.safe_load(block[:LONGEST_CARD])
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        errors.append(f"the metadata block is not YAML: {str(error)[:300]}")
    return {"errors": [{"message": error} for error in errors], "warnings": []}


@router.get("/api/{repo_type}", summary="List repositories", responses=ok(list[answers.Repo]))
def list_repos(
    repo_type: RepoType,
    services: Context,
    author: str = "",
    search: str = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> list[Object]:
    found = [repo for repo in services.files.repos(repo_type, author) if search.lower() in repo.name.lower()]
    return [answers.repo_object(repo) for repo in found[:limit]]


@router.get(
    "/api/{repo_type}/{namespace}/{name}",
    summary="What a repository is",
    responses=ok(answers.RepoWithFiles),
)
@router.get(
    "/api/{repo_type}/{namespace}/{name}/revision/{revision:path}",
    summary="What a revision is",
    responses=ok(answers.RepoWithFiles),
)
def repo_info(
    repo_type: RepoType, namespace: str, name: str, services: Context, revision: str = "main", blobs: bool = False
) -> Object:
    repo = f"{namespace}/{name}"
    info = services.files.info(repo_type, repo, revision)
    siblings: list[Object] = [{"rfilename": file.path} for file in services.files.tree(repo_type, repo, info.sha)]
    if blobs:
        siblings = [
            {"rfilename": file.path, "size": file.size, "blobId": file.git_oid}
            for file in services.files.tree(repo_type, repo, info.sha)
        ]
    return answers.repo_object(info) | {"siblings": siblings}


@router.get(
    "/api/{repo_type}/{namespace}/{name}/tree/{revision}",
    summary="Files and folders at the top",
    responses=ok(list[answers.TreeEntry]),
)
@router.get(
    "/api/{repo_type}/{namespace}/{name}/tree/{revision}/{path:path}",
    summary="Files and folders of a folder",
    responses=ok(list[answers.TreeEntry]),
)
def tree(
    repo_type: RepoType,
    namespace: str,
    name: str,
    revision: str,
    services: Context,
    path: str = "",
    recursive: bool = False,
) -> list[Object]:
    repo = f"{namespace}/{name}"
    files = services.files.tree(repo_type, repo, revision)
    folder = path.strip("/")
    entries = [
        entry
        for entry in answers.tree_objects(files)
        if (not folder or entry["path"].startswith(folder + "/"))
        and (recursive or "/" not in entry["path"].removeprefix(folder).strip("/"))
    ]
    if folder and not entries:
        raise FileMissing(repo, folder[:200], services.files.info(repo_type, repo, revision).sha)
    return entries


@router.post(
    "/api/{repo_type}/{namespace}/{name}/paths-info/{revision:path}",
    summary="Entries of the given paths",
    responses=ok(list[answers.TreeEntry]),
)
def paths_info(
    repo_type: RepoType,
    namespace: str,
    name: str,
    revision: str,
    paths: Annotated[list[str], Depends(hub_upload.sent_paths)],
    services: Context,
) -> list[Object]:
    wanted = {path.strip("/") for path in paths}
    files = services.files.tree(repo_type, f"{namespace}/{name}", revision)
    return [entry for entry in answers.tree_objects(files) if entry["path"] in wanted]


@router.get(
    "/api/{repo_type}/{namespace}/{name}/refs",
    summary="The branch and the tags",
    responses=ok(answers.Refs),
)
def refs(repo_type: RepoType, namespace: str, name: str, services: Context) -> Object:
    repo = f"{namespace}/{name}"
    head = services.files.info(repo_type, repo).sha
    tags = services.files.tags(repo_type, repo)
    return {
        "branches": [{"name": "main", "ref": "refs/heads/main", "targetCommit": head}],
        "tags": [{"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": oid} for tag, oid in sorted(tags.items())],
        "converts": [],
        "pullRequests": [],
    }


@router.get(
    "/api/{repo_type}/{namespace}/{name}/commits/{revision:path}",
    summary="History, newest first",
    responses=ok(list[answers.CommitEntry]),
)
def commits(repo_type: RepoType, namespace: str, name: str, revision: str, services: Context) -> list[Object]:
    return [
        {
            "id": commit.oid,
            "title": commit.message,
            "message": "",
            "date": answers.hub_time(commit.created_at),
            "authors": [],
        }
        for commit in services.files.commits(repo_type, f"{namespace}/{name}", revision)
    ]


class NewTag(BaseModel):
    tag: str = Field(examples=["v1"])


@router.post(
    "/api/{repo_type}/{namespace}/{name}/tag/{revision:path}",
    summary="Tag a revision",
    responses=ok(answers.Tag),
)
def create_tag(
    repo_type: RepoType, namespace: str, name: str, revision: str, body: NewTag, services: Context
) -> Object:
    repo = f"{namespace}/{name}"
    if body.tag in services.files.tags(repo_type, repo):
        raise AlreadyExists("tag", f"{repo}@{body.tag}")
    services.files.tag(repo_type, repo, body.tag, revision)
    return {"tag": body.tag}


@router.delete(
    "/api/{repo_type}/{namespace}/{name}/tag/{tag:path}",
    summary="Remove a tag",
    responses=ok(answers.Tag),
)
def delete_tag(repo_type: RepoType, namespace: str, name: str, tag: str, services: Context) -> Object:
    services.files.delete_tag(repo_type, f"{namespace}/{name}", tag)
    return {"tag": tag}


def repo_url(request: Request, repo_type: str, repo: str) -> str:
    prefix = "datasets/" if repo_type == "datasets" else ""
    return f"{str(request.base_url).rstrip('/')}{PREFIX}/{prefix}{repo}"


router.include_router(hub_upload.router)
router.include_router(hub_download.router)


@router.api_route("/{rest:path}", methods=["GET", "HEAD"], include_in_schema=False)
def unknown(rest: str) -> None:
    raise NotFound("repository", rest[:100], "Or the Hub has more endpoints than local_nemo: /docs lists what it has")
