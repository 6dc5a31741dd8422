"""Entities: what is stored comes back, names are unique, and concurrent changes are not lost."""

import re
import threading
from pathlib import Path

import pytest

from local_nemo.store.database import open_database
from local_nemo.store.entities import AlreadyExists, Entities, NotFound


@pytest.fixture
def entities(tmp_path: Path) -> Entities:
    return Entities(open_database(tmp_path / "nemo.db"))


def test_create_fills_in_id_namespace_name_and_times(entities: Entities) -> None:
    made = entities.create("dataset", {"files_url": "hf://datasets/ns/d"})
    assert re.fullmatch(r"dataset-[1-9A-HJ-NP-Za-km-z]{20,22}", made["id"])
    assert (made["namespace"], made["name"]) == ("default", made["id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", made["created_at"])
    assert entities.get("dataset", "default", made["name"]) == made == entities.find("dataset", made["id"])


def test_ids_carry_the_documented_prefix_of_their_kind(entities: Entities) -> None:
    kinds = {
        "customization_job": "cust-",
        "evaluation_config": "eval-config-",
        "evaluation_result": "evaluation_result-",
    }
    for kind, prefix in kinds.items():
        assert entities.create(kind, {})["id"].startswith(prefix)


def test_a_name_is_taken_once_per_kind_and_namespace(entities: Entities) -> None:
    first = entities.create("model", {"name": "m", "namespace": "a"})
    with pytest.raises(AlreadyExists, match="model already exists: 'a/m'"):
        entities.create("model", {"name": "m", "namespace": "a", "description": "second"})
    assert entities.get("model", "a", "m") == first
    entities.create("model", {"name": "m", "namespace": "b"})
    entities.create("dataset", {"name": "m", "namespace": "a"})


def test_a_key_lets_names_repeat(entities: Entities) -> None:
    one, two = (entities.create("customization_job", {"name": "run", "id": id}, key=id) for id in ("cust-1", "cust-2"))
    assert one["name"] == two["name"] == "run"
    assert entities.get("customization_job", "default", "cust-2")["id"] == "cust-2"


def test_update_replaces_the_named_fields_only_and_never_the_identity(entities: Entities) -> None:
    made = entities.create("dataset", {"name": "d", "custom_fields": {"a": 1}, "description": "old"})
    changed = entities.update("dataset", "default", "d", {"custom_fields": {"b": 2}, "id": "other", "name": "other"})
    assert changed["custom_fields"] == {"b": 2}
    assert (changed["description"], changed["id"], changed["name"]) == ("old", made["id"], "d")
    assert changed["updated_at"] > made["updated_at"]
    assert changed == entities.get("dataset", "default", "d")


def test_what_is_missing_is_named(entities: Entities) -> None:
    for call in (
        lambda: entities.get("dataset", "ns", "d"),
        lambda: entities.update("dataset", "ns", "d", {}),
        lambda: entities.delete("dataset", "ns", "d"),
    ):
        with pytest.raises(NotFound, match="dataset 'ns/d' not found"):
            call()


def test_delete_returns_the_object_and_frees_its_name(entities: Entities) -> None:
    made = entities.create("project", {"name": "p"})
    assert entities.delete("project", "default", "p") == made
    entities.create("project", {"name": "p"})


def test_all_lists_a_kind_by_creation_and_by_fields(entities: Entities) -> None:
    for name, status in (("a", "running"), ("b", "created"), ("c", "running")):
        entities.create("evaluation_job", {"name": name, "status": status})
    assert [job["name"] for job in entities.all("evaluation_job", status="running")] == ["a", "c"]
    assert [job["name"] for job in entities.all("evaluation_job")] == ["a", "b", "c"]


def test_parallel_edits_all_count(entities: Entities) -> None:
    made = entities.create("customization_job", {"steps": 0})

    def count() -> None:
        for _ in range(10):
            entities.edit("customization_job", made["id"], lambda job: job | {"steps": job["steps"] + 1})

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert entities.find("customization_job", made["id"])["steps"] == 80


def test_sixty_four_creators_of_one_name_have_one_winner(entities: Entities) -> None:
    outcomes: list[str] = []

    def create() -> None:
        try:
            entities.create("dataset", {"name": "same"})
            outcomes.append("made")
        except AlreadyExists:
            outcomes.append("taken")

    threads = [threading.Thread(target=create) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made"] + ["taken"] * 63


def test_an_edit_that_fails_changes_nothing(entities: Entities) -> None:
    made = entities.create("customization_job", {"steps": 1})
    with pytest.raises(ZeroDivisionError):
        entities.edit("customization_job", made["id"], lambda job: job | {"steps": 1 / 0})
    assert entities.find("customization_job", made["id"]) == made


def test_what_was_stored_is_there_after_opening_the_database_again(tmp_path: Path) -> None:
    made = Entities(open_database(tmp_path / "nemo.db")).create("dataset", {"name": "d", "text": "grüße \u0000 ✓"})
    assert Entities(open_database(tmp_path / "nemo.db")).get("dataset", "default", "d") == made
