"""A configuration that could not work, run code or reach other hosts is refused, with the reason."""

from collections.abc import Callable
from typing import Any

import pytest

from local_nemo.guard.combine import combined
from local_nemo.guard.config import ConfigError, read_config
from local_nemo.guard.config_data import ConfigData
from local_nemo.guard.factory import FACTORY_DATA, data_behind
from tests.guard_engine import OUTPUT_RAIL, RAIL, SAFETY, data, with_output_rail

NOT_HERE = "https://integrate.api.nvidia.com/v1"


def read(config: Any) -> ConfigData:
    return read_config(config, lambda url: url.startswith("http://127.0.0.1"), lambda: [SAFETY])


def changed(change: Callable[[dict], Any]) -> dict:
    config = data()
    change(config)
    return config


def test_the_tutorials_configuration_is_taken_as_sent_and_filled_in():
    config = read(data())
    assert config.flows("input")[0].task == "content_safety_check_input $model=content_safety"
    stored = config.model_dump()
    assert stored["colang_version"] == "1.0"
    assert stored["rails"]["dialog"]["single_call"] == {"enabled": False, "fallback_to_multiple_calls": True}
    assert stored["prompts"][0]["max_length"] == 16000
    assert read(stored) == config, "what the service answers can be sent back"


def test_the_factory_configurations_are_usable():
    for name, factory in FACTORY_DATA.items():
        assert read(factory), name
    assert data_behind("file:///etc/passwd") is None


@pytest.mark.parametrize(
    ("change", "place", "reason"),
    [
        (
            lambda c: c["rails"]["input"].update(flows=["check jailbreak"]),
            ("rails", "input", "flows", 0),
            "unknown input flow",
        ),
        (
            lambda c: c["rails"]["input"].update(flows=["jailbreak detection heuristics"]),
            ("rails", "input", "flows", 0),
            "supp",
        ),
        (
            lambda c: c["rails"]["input"].update(flows=[OUTPUT_RAIL]),
            ("rails", "input", "flows", 0),
            "unknown input flow",
        ),
        (lambda c: c["rails"]["input"].update(flows=[RAIL + "2"]), ("rails", "input", "flows", 0), "model type"),
        (
            lambda c: c["rails"]["input"].update(flows=["content safety check input"]),
            ("rails", "input", "flows", 0),
            "$model",
        ),
        (lambda c: c["rails"]["input"].update(flows=[RAIL, RAIL]), ("rails", "input", "flows", 1), "twice"),
        (lambda c: c["rails"].update(inputs={"flows": [RAIL]}), ("rails", "inputs"), "not a field"),
        (lambda c: c["rails"].update(retrieval={"flows": ["x"]}), ("rails", "retrieval", "flows"), "knowledge base"),
        (lambda c: c["rails"].update(tool_output={"flows": ["x"]}), ("rails", "tool_output", "flows"), "call_rails"),
        (lambda c: c["rails"].update(actions={"instant_actions": ["x"]}), ("rails", "actions"), "custom actions"),
        (
            lambda c: c["rails"].update(config={"jailbreak_detection": {"server_endpoint": NOT_HERE}}),
            ("rails", "config"),
            "can't run here",
        ),
        (lambda c: c["models"][0].update(model="nvidia/other"), ("models", 0, "model"), "NIM serves"),
        (lambda c: c["models"][0].update(engine="langchain"), ("models", 0, "engine"), "unknown engine"),
        (lambda c: c["models"][0].update(engine="openai"), ("models", 0, "parameters"), "base_url"),
        (
            lambda c: c["models"][0].update(parameters={"base_url": NOT_HERE}),
            ("models", 0, "parameters", "base_url"),
            "LOCAL_NEMO_ALLOWED_HOSTS",
        ),
        (
            lambda c: c["models"][0].update(parameters={"api_key": "x"}),
            ("models", 0, "parameters"),
            "unknown parameter",
        ),
        (lambda c: c["models"][0].update(api_key_env_var="HF_TOKEN"), ("models", 0, "api_key_env_var"), "can't hold"),
        (lambda c: c["models"].append(dict(c["models"][0])), ("models", 1, "type"), "two models"),
        (lambda c: c.update(prompts=[]), ("prompts",), "found 0"),
        (lambda c: c["prompts"].append(c["prompts"][0]), ("prompts",), "found 2"),
        (
            lambda c: c["prompts"][0].update(output_parser="nemo_parse"),
            ("prompts", 0, "output_parser"),
            "unknown output_parser",
        ),
        (lambda c: c["prompts"][0].pop("output_parser"), ("prompts", 0, "output_parser"), "missing"),
        (
            lambda c: c["prompts"][0].update(output_parser="nemoguard_parse_response_safety"),
            ("prompts", 0, "output_parser"),
            "takes",
        ),
        (lambda c: c["prompts"][0].update(max_length=100), ("prompts", 0, "max_length"), "no room"),
        (lambda c: c["prompts"][0].update(models=["openai"]), ("prompts", 0), "might not be found"),
        (lambda c: c.update(actions_server_url="http://127.0.0.1:1"), ("actions_server_url",), "outside this service"),
        (lambda c: c.update(import_paths=["/"]), ("import_paths",), "not a field"),
        (lambda c: c.update(flows=[{"id": "x"}]), ("flows",), "not a field"),
        (lambda c: c.update(tracing={"enabled": True}), ("tracing",), "writes files"),
        (lambda c: c.update(colang_version="2.x"), ("colang_version",), "1.0"),
        (lambda c: c.pop("models"), ("models",), "Field required"),
    ],
)
def test_a_configuration_that_cannot_work_names_the_field_and_the_reason(change, place, reason):
    with pytest.raises(ConfigError) as refusal:
        read(changed(change))
    assert refusal.value.place == place
    assert reason in str(refusal.value)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ user_inptu }}", "unknown template variable user_inptu"),
        ("Judge this!", "never shows"),
        ("{% if user_input %}something{% endif %}", "never shows"),
        ("{% if reasoning_enabled %}{{ user_input }}{% endif %}", "never shows"),
        ("{{ user_input if reasoning_enabled else 'hello' }}", "never shows"),
        ("{{ user_input | length }}", "filter"),
        ("{{ user_input.__class__.__mro__ }}", "Getattr"),
        ("{{ user_input[0] }}", "Getitem"),
        ("{{ user_input * 1000000000 }}", "Mul"),
        ("{% for x in range(10**9) %}{{ user_input }}{% endfor %}", "For"),
        ("{{ user_input }}{% include '/etc/passwd' %}", "Include"),
        ("{{ user_input }}{{ cycler() }}", "Call"),
        ("{{ user_input", "not valid Jinja"),
        ("{{ bot_response }} {{ user_input }}", "unknown template variable bot_response"),
    ],
)
def test_a_template_that_computes_or_hides_the_checked_text_is_refused(template, reason):
    with pytest.raises(ConfigError, match=reason):
        read(changed(lambda c: c["prompts"][0]["messages"][1].update(content=template)))


@pytest.mark.parametrize(
    "text",
    [
        "{% if reasoning_enabled %}/think{% endif %} {{ user_input | trim }}",
        "{% if reasoning_enabled %}Think: {{ user_input }}{% else %}{{ user_input }}{% endif %}",
    ],
)
def test_a_template_may_choose_between_texts(text):
    assert read(changed(lambda c: c["prompts"][0]["messages"][1].update(content=text)))


@pytest.mark.parametrize("junk", [None, [], "x", {}, {"models": None}, {"models": [{}]}, {"models": [], "rails": []}])
def test_junk_is_refused_like_any_other_mistake(junk):
    with pytest.raises(ConfigError):
        read(junk)


def test_two_configurations_run_all_their_rails_unless_they_contradict_each_other():
    whole = combined([read(data()), read(with_output_rail())])
    assert (whole.rails.input.flows, whole.rails.output.flows) == ([RAIL], [OUTPUT_RAIL])
    other = data()
    other["prompts"][0]["messages"][0]["content"] = "Another policy."
    with pytest.raises(ConfigError, match="different prompts"):
        combined([read(data()), read(other)])
