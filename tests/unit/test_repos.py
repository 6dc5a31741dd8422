"""The file store: commits, history, hashes, references, and what it refuses."""

import hashlib
import os
import threading
from pathlib import Path

import pytest

from local_nemo.store.database import open_database
from local_nemo.store.entities import AlreadyExists, NotFound
from local_nemo.store.files import YOUNGEST_GARBAGE_S, Blobs, HashMismatch
from local_nemo.store.history import FileMissing
from local_nemo.store.names import BadName
from local_nemo.store.repos import Files, StaleParent

REPO = ("datasets", "ns/data")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(open_database(tmp_path / "nemo.db"), tmp_path / "blobs")
    made.create_repo(*REPO)
    return made


def paths(files: Files, revision: str = "main") -> list[str]:
    return [file.path for file in files.tree(*REPO, revision)]


def test_a_committed_file_comes_back_with_the_hashes_that_git_and_sha256_give(files: Files) -> None:
    files.commit(*REPO, add={"training/t.jsonl": b"hello\n"}, message="add")
    file = files.tree(*REPO)[0]
    assert file.size == 6
    assert file.git_oid == "ce013625030ba8dba906f756967f9e9ca394464a"  # `echo hello | git hash-object --stdin`
    assert file.sha256 == hashlib.sha256(b"hello\n").hexdigest()
    assert files.path(*REPO, "training/t.jsonl").read_bytes() == b"hello\n"


def test_every_revision_stays_readable(files: Files) -> None:
    first = files.commit(*REPO, add={"a": b"1", "b": b"1"}, message="one")
    second = files.commit(*REPO, add={"a": b"2"}, delete=["b"], message="two", tag="v2")
    third = files.commit(*REPO, add={"b": b"1"}, message="three")
    assert files.path(*REPO, "a", first).read_bytes() == b"1"
    assert files.path(*REPO, "a", "v2").read_bytes() == b"2"
    assert [paths(files, one) for one in (first, second, third, "v2", "main")] == [
        ["a", "b"], ["a"], ["a", "b"], ["a"], ["a", "b"],
    ]  # fmt: skip
    assert [commit.oid for commit in files.commits(*REPO)][:3] == [third, second, first]
    assert files.info(*REPO).sha == third


def test_a_commit_that_changes_nothing_is_not_made(files: Files) -> None:
    oid = files.commit(*REPO, add={"a": b"1"}, message="one")
    assert files.commit(*REPO, add={"a": b"1"}, message="again") == oid


def test_a_file_on_disk_is_copied_and_stays(files: Files, tmp_path: Path) -> None:
    source = tmp_path / "source.bin"
    source.write_bytes(b"x" * 3_000_000)
    files.commit(*REPO, add={"big.bin": source}, message="big")
    source.write_bytes(b"changed")
    assert files.tree(*REPO)[0].size == 3_000_000


def test_deleting_a_folder_takes_all_it_holds_and_nothing_else(files: Files) -> None:
    files.commit(*REPO, add={"old/a": b"", "old/sub/b": b"", "older": b""}, message="add")
    files.commit(*REPO, delete=["old/"], message="delete")
    assert paths(files) == ["older"]


def test_what_is_missing_is_named(files: Files) -> None:
    with pytest.raises(NotFound, match="repository 'datasets/ns/none' not found"):
        files.tree("datasets", "ns/none")
    with pytest.raises(NotFound, match="revision 'ns/data@v9' not found"):
        files.tree(*REPO, "v9")
    with pytest.raises(FileMissing, match="file 'ns/data/no' not found"):
        files.path(*REPO, "no")
    with pytest.raises(FileMissing):
        files.commit(*REPO, delete=["no"], add={"a": b""}, message="m")
    assert paths(files) == []
    with pytest.raises(AlreadyExists):
        files.create_repo(*REPO)


def test_a_commit_on_a_parent_that_is_not_the_newest_is_refused(files: Files) -> None:
    old = files.info(*REPO).sha
    files.commit(*REPO, add={"a": b"1"}, message="one", parent=old)
    with pytest.raises(StaleParent):
        files.commit(*REPO, add={"a": b"2"}, message="two", parent=old)
    assert files.path(*REPO, "a").read_bytes() == b"1"


def test_parallel_commits_to_one_repository_all_land(files: Files) -> None:
    errors: list[Exception] = []

    def upload(worker: int) -> None:
        try:
            for number in range(4):
                files.commit(*REPO, add={f"{worker}/{number}": f"{worker}{number}".encode()}, message="m")
        except Exception as error:  # the assertion below shows it
            errors.append(error)

    threads = [threading.Thread(target=upload, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(paths(files)) == 32
    assert len(files.commits(*REPO)) == 33


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/a",
        "../a",
        "a/../b",
        "a/./b",
        "a//b",
        "a/",
        "a\\b",
        "a\0b",
        "a\nb",
        "..",
        "x" * 256,
        "a/" * 2100 + "a",
        "\ud800",
    ],
)
def test_a_path_that_could_leave_the_repository_is_refused(files: Files, path: str) -> None:
    with pytest.raises(BadName):
        files.commit(*REPO, add={path: b""}, message="m")
    assert paths(files) == []


def test_look_alikes_of_dots_and_slashes_are_plain_names(files: Files, tmp_path: Path) -> None:
    files.commit(*REPO, add={"\uff0e\uff0e\uff0fa": b"1", "…": b"2"}, message="m")
    files.checkout(*REPO, tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out")) == sorted(["\uff0e\uff0e\uff0fa", "…"])


def test_a_path_can_not_be_file_and_folder_at_once(files: Files) -> None:
    files.commit(*REPO, add={"a": b""}, message="m")
    with pytest.raises(BadName, match="'a' is a file"):
        files.commit(*REPO, add={"a/b": b""}, message="m")
    files.commit(*REPO, delete=["a"], add={"a/b": b""}, message="m")
    assert paths(files) == ["a/b"]


@pytest.mark.parametrize("repo", ["plain", "a/b/c", "../x", "a/..", "a/b c", "", "a/", "a/-b", "ä/b", f"a/{'x' * 97}"])
def test_a_repository_name_that_is_none_is_refused(files: Files, repo: str) -> None:
    with pytest.raises(BadName):
        files.create_repo("datasets", repo)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("hf://datasets/ns/name", ("datasets", "ns/name", "", "main")),
        ("hf://datasets/ns/name/testing/x.jsonl", ("datasets", "ns/name", "testing/x.jsonl", "main")),
        ("hf://datasets/ns/name@v1/testing/x.jsonl", ("datasets", "ns/name", "testing/x.jsonl", "v1")),
        ("hf://datasets/ns/name/x.jsonl@v1", ("datasets", "ns/name", "x.jsonl", "v1")),
        ("nds://datasets/ns/name", ("datasets", "ns/name", "", "main")),
        ("hf://ns/name@cust-1", ("models", "ns/name", "", "cust-1")),
        ("hf://models/ns/name", ("models", "ns/name", "", "main")),
        ("nds://models/ns/name@8df79a8", ("models", "ns/name", "", "8df79a8")),
        ("hf://datasets/name", ("models", "datasets/name", "", "main")),
    ],
)
def test_a_reference_names_repository_path_and_revision(files: Files, url: str, expected: tuple[str, ...]) -> None:
    assert files.resolve(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ns/name",
        "file:///etc/passwd",
        "http://h/x",
        "hf://",
        "hf://name",
        "hf://datasets/ns/n/../../x",
        "hf://a/b@x y",
    ],
)
def test_any_other_reference_is_refused(files: Files, url: str) -> None:
    with pytest.raises(ValueError):
        files.resolve(url)


def test_checkout_makes_the_tree_of_a_revision(files: Files, tmp_path: Path) -> None:
    old = files.commit(*REPO, add={"a/b": b"1", "c": b"2"}, message="m")
    files.commit(*REPO, delete=["c"], message="m")
    files.checkout(*REPO, tmp_path / "out", old)
    assert (tmp_path / "out/a/b").read_bytes() == b"1"
    assert (tmp_path / "out/c").stat().st_ino == files.path(*REPO, "c", old).stat().st_ino


def test_a_flipped_byte_is_found_and_its_file_named(files: Files) -> None:
    files.commit(*REPO, add={"good": b"good", "bad": b"bad!"}, message="m")
    assert files.damaged() == []
    place = files.path(*REPO, "bad")
    place.chmod(0o644)
    place.write_bytes(b"bad?")
    assert len(files.damaged()) == 1
    assert files.damaged()[0].startswith("datasets/ns/data/bad: content ")
    files.blobs.put(b"bad!")
    assert files.damaged() == [], "uploading the content again mends it"


def test_deleting_a_repository_frees_what_no_other_holds(files: Files) -> None:
    files.create_repo("models", "ns/other")
    files.commit("models", "ns/other", add={"x": b"shared"}, message="m")
    files.commit(*REPO, add={"a": b"only here", "b": b"shared", "c": b"on its way"}, message="m")
    on_its_way = files.blobs.put(b"on its way")
    places = [files.path(*REPO, name) for name in "abc"]
    files.delete_repo(*REPO)
    assert [place.exists() for place in places] == [False, True, True]
    files.commit("models", "ns/other", add={"y": on_its_way}, message="m")
    assert files.path("models", "ns/other", "y").read_bytes() == b"on its way"


def test_a_start_removes_contents_that_no_commit_took_within_an_hour(files: Files, tmp_path: Path) -> None:
    files.commit(*REPO, add={"a": b"kept"}, message="m")
    place = files.blobs.path(files.blobs.put(b"never committed").sha256)
    Files(open_database(tmp_path / "nemo.db"), tmp_path / "blobs")
    assert place.exists(), "its commit may come after the restart"
    for entry in (tmp_path / "blobs").glob("??/*"):
        os.utime(entry, (0, entry.stat().st_mtime - YOUNGEST_GARBAGE_S - 1))
    again = Files(open_database(tmp_path / "nemo.db"), tmp_path / "blobs")
    assert not place.exists()
    assert again.path(*REPO, "a").read_bytes() == b"kept"


def test_an_upload_that_is_not_what_its_hash_says_is_not_kept(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    with blobs.draft() as draft, pytest.raises(HashMismatch):
        draft.write(b"x")
        blobs.keep(draft, sha256="0" * 64)
    assert list(blobs.all()) == []
    assert list((tmp_path / "blobs/incoming").iterdir()) == []


def test_unfinished_uploads_of_a_crashed_server_are_removed_at_the_next_start(tmp_path: Path) -> None:
    (tmp_path / "blobs/incoming").mkdir(parents=True)
    (tmp_path / "blobs/incoming/half").write_bytes(b"half")
    Blobs(tmp_path / "blobs")
    assert list((tmp_path / "blobs/incoming").iterdir()) == []
