"""Several configurations as one: all their rails run, in the order of the configurations."""

from collections.abc import Sequence

from local_nemo.guard.config import ConfigError
from local_nemo.guard.config_data import ConfigData


def combined(configs: Sequence[ConfigData]) -> ConfigData:
    """One configuration with the models, rails and prompts of all. Raises `ConfigError` where two disagree."""
    whole = configs[0].model_copy(deep=True)
    for other in configs[1:]:
        for model in other.models:
            known = whole.model(model.type)
            if known is None:
                whole.models.append(model)
            elif known != model and model.type != "main":
                raise ConfigError(("models",), f"two configurations name different models of type {model.type!r}")
        for prompt in other.prompts or []:
            known_prompts = [one for one in whole.prompts or [] if one.task == prompt.task]
            if known_prompts and known_prompts[0] != prompt:
                raise ConfigError(("prompts",), f"two configurations have different prompts for task {prompt.task!r}")
            if not known_prompts:
                whole.prompts = [*(whole.prompts or []), prompt]
        for mine, theirs in ((whole.rails.input, other.rails.input), (whole.rails.output, other.rails.output)):
            mine.flows.extend(flow for flow in theirs.flows if flow not in mine.flows)
    return whole
