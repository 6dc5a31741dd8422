"""Whether a training can be done here, decided before a job exists: what it refers to, what it asks for.

`plan_job` resolves configuration, target and dataset (fixed to a commit) and checks the combination. It raises
`Missing` for what isn't there and `Refused` for what this machine can't do; both say what there is instead. What is
accepted without effect becomes a warning.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from local_nemo.jobs.training import split_files
from local_nemo.settings import Settings
from local_nemo.store.entities import Entities, Entity, NotFound
from local_nemo.store.names import BadName
from local_nemo.store.repos import Files

CONFIG, TARGET = "customization_config", "customization_target"
SUPPORTED = {"training_type": "sft", "finetuning_type": "lora"}
VERSION, CONFIG_VERSION = "@v1.0.0", "@v1.0.0+cpu"
BUNDLED_PARAMETERS = 134_515_008
MAX_SEQ_LENGTH = 4096
TARGET_FACTS = {  # documented filter and sort keys of configurations, and the target's field behind each
    "target_name": "name",
    "target_base_model": "base_model",
    "target_enabled": "enabled",
    "num_parameters": "num_parameters",
}


class Missing(LookupError):
    """Something that a request names does not exist; the text says what does."""


class Refused(ValueError):
    """A request that can't be honoured here; the text says what can."""


@dataclass
class Plan:
    """What a job is made of."""

    config_snapshot: dict
    dataset: str
    dataset_snapshot: dict
    warnings: list[dict] = field(default_factory=list)

    def warn(self, message: str, explanation: str) -> None:
        self.warnings.append({"message": message, "explanation": explanation})


def ensure_defaults(settings: Settings, entities: Entities) -> None:
    """The target and configuration of the server's base model, unless somebody has made or changed them already."""
    namespace, _, name = settings.base_name.rpartition("/")
    namespace = namespace or "default"
    target = {
        "base_model": settings.base_name, "enabled": True, "num_parameters": BUNDLED_PARAMETERS, "precision": "fp32",
        "model_uri": None, "model_path": settings.base_model, "hf_endpoint": None, "tokenizer": None,
        "status": "ready", "model_type": "hf", "description": "The base model that this local_nemo serves and trains",
        "project": None, "custom_fields": {}, "ownership": None,
    }  # fmt: skip
    option = {
        **SUPPORTED, "num_gpus": 0, "micro_batch_size": 1, "num_nodes": 1, "tensor_parallel_size": 1,
        "pipeline_parallel_size": 1, "data_parallel_size": 1, "use_sequence_parallel": False,
    }  # fmt: skip
    config = {
        "target": f"{namespace}/{name}{VERSION}", "max_seq_length": MAX_SEQ_LENGTH, "training_options": [option],
        "training_precision": "fp32", "prompt_template": "{prompt} {completion}", "chat_prompt_template": None,
        "dataset_schemas": None, "pod_spec": None, "description": "LoRA on the processors of this machine",
        **target_facts({**target, "name": name + VERSION}),
        "project": None, "custom_fields": {}, "ownership": None,
    }  # fmt: skip
    for kind, version, data in ((TARGET, VERSION, target), (CONFIG, CONFIG_VERSION, config)):
        if not entities.all(kind, namespace=namespace, name=name + version):
            entities.create(kind, {**data, "namespace": namespace, "name": name + version})


def target_facts(target: Entity) -> Entity:
    """What a configuration keeps of its target, so that it can be found by it: the documented filter and sort keys."""
    return {key: target.get(field) for key, field in TARGET_FACTS.items()}


def plan_job(body: Entity, settings: Settings, entities: Entities, files: Files) -> Plan:
    """Resolve and check a request (a validated body as a dict). Raises Missing, Refused."""
    asked = body["hyperparameters"]
    config = _config(body["config"], entities)
    target = find_target(config, settings, entities)
    option = _option(asked, config)
    dataset, snapshot = _dataset(body["dataset"], body.get("namespace") or "default", entities, files)
    plan = Plan(
        config_snapshot={
            "base_model": target["base_model"],
            "max_seq_length": min(config["max_seq_length"], MAX_SEQ_LENGTH),
            "precision": "fp32",
            "num_parameters": target["num_parameters"],
            "prompt_template": config.get("prompt_template"),
            "training_option": option,
        },
        dataset=dataset,
        dataset_snapshot=snapshot,
    )
    _check_asked(asked, option, plan)
    _check_config(config, option, plan)
    return plan


def find_target(config: Entity, settings: Settings, entities: Entities) -> Entity:
    """The target of a configuration, which must be the base model of this server. Raises Missing, Refused."""
    given = config.get("target")
    if isinstance(given, str):
        namespace, _, name = given.rpartition("/")
        try:
            target = entities.get(TARGET, namespace or "default", name)
        except NotFound as error:
            raise Missing(f"{error}. Targets here: {_known(entities, TARGET)}") from error
    else:
        wanted = (given or {}).get("base_model") or settings.base_name
        fitting = [target for target in entities.all(TARGET) if target["base_model"] == wanted]
        if not fitting:
            raise Missing(f"no target has the base model '{wanted}'. Targets here: {_known(entities, TARGET)}")
        target = fitting[0]
    check_base(target["base_model"], settings)
    if target.get("enabled") is False:
        raise Refused(
            f"target '{target['namespace']}/{target['name']}' is disabled; patch it with enabled true to train"
        )
    return target


def check_base(base_model: str, settings: Settings) -> None:
    """Raise Refused unless this server can train the model of that name."""
    if base_model != settings.base_name:
        raise Refused(
            f"this local_nemo trains '{settings.base_name}' and not '{base_model}'; start one with "
            "LOCAL_NEMO_BASE_MODEL (a folder or hub id) and LOCAL_NEMO_BASE_NAME set to train another model"
        )


def _config(given: str | Entity, entities: Entities) -> Entity:
    """The configuration a job names: `namespace/name`, the bare model name of release 25.4, or an object."""
    if not isinstance(given, str):
        return given
    namespace, _, name = given.rpartition("/")
    try:
        return entities.get(CONFIG, namespace or "default", name)
    except NotFound as error:
        for config in entities.all(CONFIG):
            if f"{config['namespace']}/{config['name']}".partition("@")[0] == given:
                return config
        raise Missing(f"{error}. Configurations here: {_known(entities, CONFIG)}") from error


def _option(asked: Entity, config: Entity) -> Entity:
    """The training option of the configuration that the hyperparameters choose."""
    wanted = {key: asked[key] for key in SUPPORTED}
    option = next((one for one in config["training_options"] if {key: one[key] for key in SUPPORTED} == wanted), None)
    if option is None:
        offered = ", ".join(map(_pair, config["training_options"])) or "no training"
        raise Refused(f"the configuration's training_options offer {offered}, and not {_pair(wanted)}")
    if wanted != SUPPORTED:
        raise Refused(
            f"the configuration's training_options offer {_pair(wanted)}, but local_nemo trains {_pair(SUPPORTED)} only"
        )
    return option


def _pair(option: Entity) -> str:
    """What a training option is called in messages."""
    return f"training_type '{option['training_type']}' with finetuning_type '{option['finetuning_type']}'"


def _dataset(given: str | Entity, namespace: str, entities: Entities, files: Files) -> tuple[str, dict]:
    """(name to show, {repo, path, commit}) of a dataset whose training files exist."""
    shown, url = _files_url(given, namespace, entities)
    try:
        repo_type, repo, path, revision = files.resolve(url)
    except BadName as error:
        raise Refused(f"dataset '{shown}': {error}") from error
    try:
        commit = files.info(_checked_type(repo_type, url, files, repo), repo, revision).sha
        paths = [file.path for file in files.tree("datasets", repo, commit)]
    except NotFound as error:
        raise Missing(
            f"dataset '{shown}' lies in {url}, but {error}; upload its files to the Data Store first"
        ) from error
    training = split_files(paths, path, "training")
    if not training:
        there = ", ".join(paths[:10]) or "no files"
        raise Refused(f"dataset '{shown}' has no training/*.jsonl; it has {there}")
    return shown, {"repo": repo, "path": path, "commit": commit}


def _files_url(given: str | Entity, namespace: str, entities: Entities) -> tuple[str, str]:
    if isinstance(given, str) and "://" in given:
        return given, given
    if isinstance(given, str):
        space, _, name = given.rpartition("/")
    elif given.get("files_url") and not given.get("name"):
        return given["files_url"], given["files_url"]
    else:
        space, name = given.get("namespace") or "", given["name"]
    space = space or namespace
    try:
        return f"{space}/{name}", entities.get("dataset", space, name)["files_url"]
    except NotFound as error:
        raise Missing(f"{error}. Datasets here: {_known(entities, 'dataset')}") from error


def _checked_type(repo_type: str, url: str, files: Files, repo: str) -> str:
    """Datasets lie in repositories of datasets; hf://ns/name without a type means one too if there is one."""
    if repo_type == "datasets" or files.repo_exists("datasets", repo):
        return "datasets"
    raise NotFound("repository", f"datasets/{repo}")


def _check_asked(asked: Entity, option: Entity, plan: Plan) -> None:
    share = option["micro_batch_size"] * (option.get("data_parallel_size") or 1)
    if asked["batch_size"] % share:
        raise Refused(
            f"batch_size {asked['batch_size']} must be a multiple of micro_batch_size x data parallel size, {share}"
        )
    for key, value in (asked.get("sft") or {}).items():
        if value:
            raise Refused(f"sft.{key} is not supported by local_nemo; lora.adapter_dropout is")
    for key in ("dpo", "distillation", "grpo"):
        if asked.get(key):
            raise Refused(f"hyperparameters.{key} has no meaning for training_type 'sft'")
    if asked["sequence_packing_enabled"]:
        plan.warn(
            "Sequence packing was not enabled",
            "local_nemo computes rows with a common beginning together and pads nothing: there is nothing to pack.",
        )
    interval, limit = asked.get("val_check_interval"), asked["max_steps"]
    if interval and limit > 0 and interval > limit:
        asked["val_check_interval"] = max(1, limit - 1)
        plan.warn(
            "val_check_interval was lowered", f"It may not exceed max_steps {limit}; it is {max(1, limit - 1)} now."
        )


def _check_config(config: Entity, option: Entity, plan: Plan) -> None:
    parallel = {
        key: option.get(key) for key in ("num_gpus", "num_nodes", "tensor_parallel_size", "pipeline_parallel_size")
    }
    if any((value or 0) > 1 for value in parallel.values()):
        named = ", ".join(f"{key} {value}" for key, value in parallel.items() if (value or 0) > 1)
        plan.warn(
            "This machine trains on its processors", f"The configuration asks for {named}; that has no effect here."
        )
    if config["max_seq_length"] > MAX_SEQ_LENGTH:
        plan.warn(
            "max_seq_length was lowered", f"{config['max_seq_length']} is more than the {MAX_SEQ_LENGTH} used here."
        )
    if config.get("chat_prompt_template"):
        plan.warn("chat_prompt_template has no effect", "Training and inference share local_nemo's own template.")


def _known(entities: Entities, kind: str) -> str:
    names = [f"{entity['namespace']}/{entity['name']}" for entity in entities.all(kind)]
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "") or "none"
