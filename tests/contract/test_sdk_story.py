"""From dataset to guard with nothing but the official SDK: the story's own script, run as its user would."""

import pytest


@pytest.mark.slow
def test_the_whole_tutorial_runs_with_the_official_sdk_alone(story: dict) -> None:
    assert story["model"] == f"sdk-story/adder@{story['job']}"
    assert story["called"] == "add"
    assert set(story["scores"]) == {"function_name_accuracy", "function_name_and_args_accuracy"}
    assert all(0 <= score <= 1 for score in story["scores"].values())
    assert (story["safe"], story["unsafe"]) == ("success", "blocked")
    assert "can't respond" in story["refusal"]
