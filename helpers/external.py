"""Evaluate a model that lives elsewhere: any OpenAI-compatible endpoint, as the public original does with a 70B model.

    target = external.target("https://integrate.api.nvidia.com/v1", "meta/llama-3.3-70b-instruct", key="NVIDIA_API_KEY")
    job = evaluator.run(platform, config=config_body, target=target)

The key comes from an environment variable and travels with the job's request alone; local_nemo keeps it in memory and
writes it nowhere. local_nemo calls only hosts it was allowed to: LOCAL_NEMO_ALLOWED_HOSTS=integrate.api.nvidia.com.
"""

import os
from typing import Any

from .errors import SettingError


def target(url: str, model_id: str, *, key: str = "") -> dict[str, Any]:
    """An evaluation target for the endpoint at `url` (with or without /chat/completions).

    `key` names an environment variable; raises `SettingError` if it isn't set.
    """
    endpoint = {"url": f"{url.rstrip('/').removesuffix('/chat/completions')}/chat/completions", "model_id": model_id}
    if key:
        if not os.environ.get(key):
            raise SettingError(
                f"The environment variable {key} is not set, and {model_id} needs a key.",
                next_step=f"export {key}=... and restart the kernel; never write a key into a notebook.",
            )
        endpoint |= {"api_key": os.environ[key], "format": "openai"}
    return {"type": "model", "model": {"api_endpoint": endpoint}}
