"""config.py: profiles, overrides, and the values of the published run."""

import importlib

import pytest

import config
from helpers.errors import SettingError

PROFILE_SETTINGS = [
    "BASE_MODEL", "BASE_MODEL_VERSION", "DATASET", "NUM_EXAMPLES", "EPOCHS", "MAX_STEPS", "BATCH_SIZE",
    "LEARNING_RATE", "ADAPTER_DIM", "ADAPTER_DROPOUT", "EVAL_LIMIT",
]  # fmt: skip


@pytest.fixture
def reload(monkeypatch: pytest.MonkeyPatch):
    """Load config.py again under other environment variables; the usual one is restored afterwards."""

    def reloaded(**variables: str):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return importlib.reload(config)

    yield reloaded
    monkeypatch.undo()
    importlib.reload(config)


def test_every_profile_gives_every_setting_of_the_table() -> None:
    assert all(sorted(profile) == sorted(PROFILE_SETTINGS) for profile in config.PROFILES.values())
    assert set(config.PROFILES) == {"laptop", "ci", "long", "cluster"}


def test_the_cluster_profile_holds_the_published_values() -> None:
    published = {
        "BASE_MODEL": "meta/llama-3.2-1b-instruct", "BASE_MODEL_VERSION": "v1.0.0+80GB", "NUM_EXAMPLES": 5000,
        "DATASET": "Salesforce/xlam-function-calling-60k", "EPOCHS": 2, "BATCH_SIZE": 16, "LEARNING_RATE": 1e-4,
        "ADAPTER_DIM": 32, "ADAPTER_DROPOUT": 0.1,
    }  # fmt: skip
    assert published.items() <= config.PROFILES["cluster"].items()


def test_an_environment_variable_wins_over_the_profile_in_the_type_of_its_default(reload) -> None:
    changed = reload(PROFILE="ci", EPOCHS="7", LEARNING_RATE="0.01")
    assert (changed.EPOCHS, changed.LEARNING_RATE) == (7, 0.01)
    assert config.PROFILES["ci"]["ADAPTER_DIM"] == changed.ADAPTER_DIM


def test_an_unknown_profile_lists_the_known_ones(reload) -> None:
    with pytest.raises(SettingError, match="laptop, ci, long, cluster"):
        reload(PROFILE="desktop")


def test_a_value_of_the_wrong_type_names_its_variable(reload) -> None:
    with pytest.raises(SettingError, match="EPOCHS must be a whole number, not 'two'"):
        reload(EPOCHS="two")


def test_the_customized_model_is_named_without_a_version() -> None:
    assert "@" not in config.CUSTOM_MODEL
    assert config.CUSTOM_MODEL.startswith(f"{config.NMS_NAMESPACE}/")
