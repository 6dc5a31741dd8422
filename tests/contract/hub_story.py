"""What users do with huggingface_hub, as a plain script for any version of it: `python hub_story.py URL FOLDER`.

Every step asserts what the official client gives back. The last line printed is the client's version.
"""

import sys
from pathlib import Path

import huggingface_hub
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

REPO = "xlam-tutorial-ns/xlam-ft-dataset"
DATA = {"repo_id": REPO, "repo_type": "dataset"}


def refuses(kind: type[Exception], call) -> None:
    try:
        call()
    except kind:
        return
    raise AssertionError(f"{kind.__name__} expected")


def repositories(api: HfApi, endpoint: str) -> None:
    assert not api.repo_exists(**DATA)
    assert str(api.create_repo(**DATA)) == f"{endpoint}/datasets/{REPO}"
    assert str(api.create_repo(**DATA, exist_ok=True)) == f"{endpoint}/datasets/{REPO}"
    refuses(HfHubHTTPError, lambda: api.create_repo(**DATA))
    assert api.repo_exists(**DATA)
    assert not api.repo_exists(REPO)  # the model repository of the same name is another one
    assert [repo.id for repo in api.list_datasets(author="xlam-tutorial-ns")] == [REPO]


def uploads(api: HfApi, folder: Path) -> str:
    first = api.upload_file(path_or_fileobj=b'{"a": 1}\n', path_in_repo="training/training.jsonl", **DATA)
    assert len(first.oid) == 40
    again = api.upload_file(path_or_fileobj=b'{"a": 1}\n', path_in_repo="training/training.jsonl", **DATA)
    assert again.oid == first.oid, "an unchanged upload makes no commit"
    source = folder / "source"
    (source / "many").mkdir(parents=True)
    (source / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Data\n")
    for number in range(40):
        (source / "many" / f"{number:02}.txt").write_text(str(number))
    api.upload_folder(folder_path=source, **DATA)
    (folder / "large.bin").write_bytes(bytes(range(256)) * 20_000)
    with (folder / "large.bin").open("rb") as file:
        api.upload_file(path_or_fileobj=file, path_in_repo="large.bin", **DATA)
    operations = [CommitOperationAdd("one.txt", b"1"), CommitOperationAdd("two.txt", b"2")]
    api.create_commit(operations=operations + [CommitOperationDelete("many/00.txt")], commit_message="three", **DATA)
    return first.oid


def reading(api: HfApi, folder: Path, first: str) -> None:
    names = {"training/training.jsonl", "README.md", "large.bin", "one.txt", "two.txt"}
    assert set(api.list_repo_files(**DATA)) == names | {f"many/{number:02}.txt" for number in range(1, 40)}
    top = {entry.path for entry in api.list_repo_tree(**DATA)}
    assert top == {"training", "many", "README.md", "large.bin", "one.txt", "two.txt"}
    assert [entry.path for entry in api.list_repo_tree(path_in_repo="training", **DATA)] == ["training/training.jsonl"]
    assert api.file_exists(filename="one.txt", **DATA) and not api.file_exists(filename="none.txt", **DATA)
    info = api.dataset_info(REPO, files_metadata=True)
    assert {entry.rfilename: entry.size for entry in info.siblings}["large.bin"] == 256 * 20_000
    assert api.get_paths_info(paths=["one.txt", "no"], **DATA)[0].size == 1
    options = {"cache_dir": folder / "cache"}
    assert Path(api.hf_hub_download(filename="one.txt", **DATA, **options)).read_bytes() == b"1"
    local = api.hf_hub_download(filename="large.bin", local_dir=folder / "local", **DATA)
    assert Path(local).read_bytes() == (folder / "large.bin").read_bytes()
    snapshot = Path(api.snapshot_download(**DATA, **options))
    assert len([path for path in snapshot.rglob("*") if path.is_file()]) == 44
    old = Path(api.snapshot_download(revision=first, **DATA, **options))
    assert [path.name for path in old.rglob("*") if path.is_file()] == ["training.jsonl"]


def history(api: HfApi, first: str) -> None:
    commits = [commit.commit_id for commit in api.list_repo_commits(**DATA)]
    assert commits[0] == api.dataset_info(REPO).sha and first in commits
    api.create_tag(tag="v1", revision=first, **DATA)
    assert api.list_repo_files(revision="v1", **DATA) == ["training/training.jsonl"]
    assert api.list_repo_refs(**DATA).tags[0].target_commit == first
    api.delete_tag(tag="v1", **DATA)
    refuses(RevisionNotFoundError, lambda: api.dataset_info(REPO, revision="v1"))


def deletes(api: HfApi, folder: Path) -> None:
    api.delete_file("one.txt", **DATA)
    api.delete_folder("many", **DATA)
    assert set(api.list_repo_files(**DATA)) == {"training/training.jsonl", "README.md", "large.bin", "two.txt"}
    refuses(EntryNotFoundError, lambda: api.hf_hub_download(filename="one.txt", cache_dir=folder / "cache", **DATA))
    api.delete_repo(**DATA)
    assert not api.repo_exists(**DATA)
    api.delete_repo(**DATA, missing_ok=True)
    refuses(RepositoryNotFoundError, lambda: api.dataset_info(REPO))
    refuses(RepositoryNotFoundError, lambda: api.list_repo_files(**DATA))


def models(api: HfApi, folder: Path) -> None:
    api.create_repo("ns/model")
    api.upload_file(path_or_fileobj=b"{}", path_in_repo="config.json", repo_id="ns/model")
    assert api.model_info("ns/model").id == "ns/model"
    assert Path(api.hf_hub_download("ns/model", "config.json", cache_dir=folder / "cache")).read_bytes() == b"{}"
    api.delete_repo("ns/model")


def main(url: str, folder: Path) -> None:
    endpoint = f"{url}/v1/hf"
    api = HfApi(endpoint=endpoint, token="any-text")
    repositories(api, endpoint)
    first = uploads(api, folder)
    reading(api, folder, first)
    history(api, first)
    deletes(api, folder)
    models(api, folder)
    print(huggingface_hub.__version__)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
