"""The hand-over between notebooks."""

import pytest

from helpers import errors, state


def test_a_value_comes_back(tmp_path):
    state.save("customized_model", "ns/m@cust-1", folder=tmp_path)
    state.save("evaluation_jobs", {"base": "eval-1"}, folder=tmp_path)
    assert state.load("customized_model", folder=tmp_path) == "ns/m@cust-1"
    assert state.load("evaluation_jobs", folder=tmp_path) == {"base": "eval-1"}


def test_a_missing_value_says_which_notebook_to_run_first(tmp_path):
    state.save("dataset_commit", "abc", folder=tmp_path)
    with pytest.raises(errors.MissingState) as caught:
        state.load("customized_model", folder=tmp_path)
    assert "run 2_finetuning_and_inference.ipynb to its end" in str(caught.value)
    assert "handed over so far: dataset_commit" in str(caught.value)


def test_a_broken_file_says_what_to_do(tmp_path):
    (tmp_path / "state.json").write_text('{"half')
    with pytest.raises(errors.MissingState, match="delete .*state.json and run the notebooks again"):
        state.load("customized_model", folder=tmp_path)


def test_metrics_merge_key_by_key_and_lists_are_replaced(tmp_path):
    state.record_metrics({"training": {"steps": 5, "train_loss": [3, 2]}, "seed": 1}, folder=tmp_path)
    merged = state.record_metrics({"training": {"train_loss": [1]}, "evaluation": {"n": 9}}, folder=tmp_path)
    assert merged == {"training": {"steps": 5, "train_loss": [1]}, "seed": 1, "evaluation": {"n": 9}}
    assert state.metrics(folder=tmp_path) == merged


def test_nothing_but_whole_files_is_left(tmp_path):
    state.save("dataset_commit", "abc", folder=tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["state.json"]


def test_no_metrics_are_an_empty_object(tmp_path):
    assert state.metrics(folder=tmp_path) == {}
