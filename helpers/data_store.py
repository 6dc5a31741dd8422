"""Data Store: namespaces, and dataset repositories through its Hub-compatible API.

`upload` makes a repository hold exactly the given files and says which commit does; unchanged files are not sent again,
so the same data keeps the same commit and with it every job that was run on it. huggingface_hub speaks to the Data
Store with NDS_TOKEN or without a token: the reader's Hugging Face token is never sent here.
"""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from json import JSONDecodeError
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, HfUriError, RepositoryNotFoundError
from huggingface_hub.hf_api import RepoFile

from . import errors
from .http import TRANSIENT, retry_after_seconds
from .platform import Platform
from .retry import TookTooLong, within

SLOWEST_UPLOAD = 50_000  # bytes per second; an upload may take as long as any call, and its size at this rate


@dataclass(frozen=True)
class Upload:
    """What `upload` did: the commit that holds the files, and the paths that had to be sent or removed."""

    repo: str
    commit: str
    sent: tuple[str, ...]
    removed: tuple[str, ...]

    @property
    def files_url(self) -> str:
        return f"hf://datasets/{self.repo}"

    def __repr__(self) -> str:
        change = (
            f"{len(self.sent)} files sent, {len(self.removed)} removed" if self.sent or self.removed else "unchanged"
        )
        return f"<{self.files_url} at commit {self.commit[:8]}: {change}>"


def hub(platform: Platform) -> HfApi:
    """The Hugging Face client on the Data Store's own hub. `token=False` keeps a token saved on this machine out."""
    return HfApi(endpoint=f"{platform.nds_url}/v1/hf", token=platform.nds_token or False)


def ensure_namespace(platform: Platform, namespace: str) -> bool:
    """Create the namespace in the Data Store unless it exists; True if it was created."""
    try:
        platform.nds.get(f"/v1/datastore/namespaces/{namespace}")  # the real service answers 201 when found
        return False
    except errors.NotFound:
        pass
    try:
        platform.nds.post("/v1/datastore/namespaces", data={"namespace": namespace})
    except errors.Conflict:
        return False
    return True


def ensure_repo(platform: Platform, repo: str) -> bool:
    """Create the dataset repository `namespace/name` unless it exists; True if it was created."""
    api = hub(platform)
    if _call(platform, f"look for dataset {repo}", lambda: api.repo_exists(repo, repo_type="dataset")):
        return False
    create: Callable[[], Any] = lambda: api.create_repo(repo, repo_type="dataset", exist_ok=True)  # noqa: E731
    _call(platform, f"create dataset {repo}", create)
    return True


def upload(platform: Platform, repo: str, files: Mapping[str, str | Path]) -> Upload:
    """Make the dataset repository hold exactly `files` (path in the repository -> file here).

    Files that were there and are not named are removed: Customizer trains on *every* `training/*.jsonl`.
    Raises DatasetError for a file that is missing or empty, before anything is sent.
    """
    paths = {name: Path(file) for name, file in files.items()}
    for file in paths.values():
        if not file.is_file() or not file.stat().st_size:
            raise errors.DatasetError(
                f"{file} is {'empty' if file.exists() else 'missing'}, so there is nothing to upload.",
                now=f"the dataset {repo} was not changed.",
                next_step="run 1_data_preparation.ipynb: it writes the training, validation and test files.",
            )
    ensure_repo(platform, repo)
    stored = tree(platform, repo)
    sent = tuple(sorted(name for name, file in paths.items() if not _is_stored(stored.get(name), file)))
    removed = tuple(sorted(name for name in stored if name not in paths and not name.startswith(".git")))
    if sent or removed:
        _commit(platform, repo, {name: paths[name] for name in sent}, removed)
    return Upload(repo, commit_of(platform, repo), sent, removed)


def tree(platform: Platform, repo: str, *, revision: str = "main", repo_type: str = "dataset") -> dict[str, dict]:
    """Path -> {size, git_oid, sha256} of every file of a repository; sha256 is None for plain git files."""
    api = hub(platform)

    def read() -> dict[str, dict]:
        entries = api.list_repo_tree(repo, repo_type=repo_type, recursive=True, revision=revision)
        return {
            entry.path: {
                "size": entry.size,
                "git_oid": entry.blob_id,
                "sha256": entry.lfs.sha256 if entry.lfs else None,
            }
            for entry in entries
            if isinstance(entry, RepoFile)
        }

    return _call(platform, f"list {repo_type} {repo}", read)


def commit_of(platform: Platform, repo: str) -> str:
    """The newest commit of a dataset repository, 40 hexadecimal digits."""
    api = hub(platform)
    return _call(platform, f"look up dataset {repo}", lambda: api.dataset_info(repo).sha or "")


def read_file(platform: Platform, repo: str, path: str, *, revision: str = "main", repo_type: str = "dataset") -> bytes:
    """The content of one file of a repository, straight from the Data Store (no local cache)."""
    prefix = "datasets/" if repo_type == "dataset" else ""
    return platform.nds.content(f"/v1/hf/{prefix}{repo}/resolve/{quote(revision)}/{quote(path)}")


def damaged(platform: Platform, repo: str, *, revision: str = "main", repo_type: str = "dataset") -> list[str]:
    """The files of a repository whose content does not have the hash that its listing names, or cannot be read."""
    bad = []
    for path, stored in tree(platform, repo, revision=revision, repo_type=repo_type).items():
        try:
            content = read_file(platform, repo, path, revision=revision, repo_type=repo_type)
            intact = _has_content(stored, content)
        except (errors.ServiceFailed, errors.ServiceUnreachable):
            intact = False
        if not intact:
            bad.append(path)
    return bad


def _commit(platform: Platform, repo: str, add: dict[str, Path], removed: tuple[str, ...]) -> None:
    api = hub(platform)
    size = sum(file.stat().st_size for file in add.values())

    def send() -> None:
        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            *(CommitOperationAdd(path_in_repo=name, path_or_fileobj=file) for name, file in add.items()),
            *(CommitOperationDelete(path_in_repo=name) for name in removed),
        ]
        message = f"Upload {', '.join(add) or 'nothing'}" + (f"; remove {', '.join(removed)}" if removed else "")
        with suppress(HfUriError):  # 25.x services answer an empty commitUrl *after* the commit is done
            api.create_commit(repo, operations, commit_message=message, repo_type="dataset")

    # Sending the same content twice ends in the same files, so an upload that broke off is simply sent again.
    _call(platform, f"upload to dataset {repo}", send, more_seconds=size / SLOWEST_UPLOAD)


def _is_stored(stored: dict | None, file: Path) -> bool:
    """Whether the repository already holds exactly this content."""
    if stored is None or stored["size"] != file.stat().st_size:
        return False
    return _has_content(stored, file.read_bytes())


def _has_content(stored: dict, content: bytes) -> bool:
    if stored["sha256"]:
        return hashlib.sha256(content).hexdigest() == stored["sha256"]
    return git_oid(content) == stored["git_oid"]


def git_oid(content: bytes) -> str:
    """The id that git gives to a file with this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _call(platform: Platform, what: str, call: Callable[[], Any], *, more_seconds: float = 0.0) -> Any:
    """Run one huggingface_hub call: bounded in time, repeated on faults that pass, its errors put into our tree."""

    def attempt() -> Any:
        try:
            return within(platform.nds.timeouts.total + more_seconds, call)
        except TookTooLong as error:
            raise _unreachable(platform, what, str(error)) from error
        except httpx.TransportError as error:
            raise _unreachable(platform, what, str(error) or type(error).__name__) from error
        except RepositoryNotFoundError as error:
            raise errors.NotFound(
                f"Data Store could not {what}: there is no such repository.",
                next_step="run 2_finetuning_and_inference.ipynb, which creates and fills it.",
                status=404,
            ) from error
        except HfHubHTTPError as error:
            raise _refused(what, error) from error
        except JSONDecodeError as error:
            raise errors.UnexpectedReply(
                f"Data Store could not {what}: its answer is not the Hub API ({error}).",
                next_step=f"check that NDS_URL ({platform.nds_url}) is the Data Store, no proxy or login page.",
            ) from error

    return platform.nds.retry.run(
        attempt, lambda error: isinstance(error, errors.ServiceUnreachable) or error.status in TRANSIENT
    )


def _unreachable(platform: Platform, what: str, reason: str) -> errors.ServiceUnreachable:
    return errors.ServiceUnreachable(
        f"Data Store at {platform.nds_url} did not answer while asked to {what}: {reason}.",
        next_step=platform.nds.unreachable,
    )


def _refused(what: str, error: HfHubHTTPError) -> errors.ServiceError:
    status = error.response.status_code
    kind = errors.BY_STATUS.get(status, errors.Refused if status < 500 else errors.ServiceFailed)
    return kind(
        f"Data Store could not {what}: status {status}, {error.server_message or error}",
        next_step="check NDS_TOKEN in config.py." if status in (401, 403) else "read the message of the service above.",
        status=status,
        detail=error.server_message or "",
        retry_after=retry_after_seconds(error.response.headers.get("Retry-After")),
    )
