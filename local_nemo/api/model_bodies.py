"""What a model entity may hold: artifact, specification, tuning, endpoint, prompt; typed as the official SDK types it.

Secrets are left out when a body is read: an `api_key` is never stored.
"""

from typing import Any, Literal

from pydantic import Field

from local_nemo.api.entity_routes import Body, EntityPatch, NewEntity

Precision = Literal["int8", "bf16", "fp16", "fp32", "fp8-mixed", "bf16-mixed"]


class Artifact(Body):
    """The files of a model."""

    files_url: str = Field(max_length=4096, examples=["hf://xlam-tutorial-ns/tool-caller@cust-BTkGbfifLfEAjV2THu3tas"])
    status: Literal["created", "upload_failed", "upload_completed"]
    backend_engine: Literal["nemo", "trt_llm", "vllm", "faster_transformer", "hugging_face"] | None = None
    gpu_arch: str | None = None
    precision: Precision | None = None
    tensor_parallelism: int | None = None


class ModelSpec(Body):
    num_parameters: int
    context_size: int
    num_virtual_tokens: int
    is_chat: bool


class LoraData(Body):
    alpha: int
    apply_lora_to_mlp: bool
    apply_lora_to_output: bool


class PTuningData(Body):
    token_embeddings: list[list[float]]


class Peft(Body):
    """How a model was tuned from its base model."""

    finetuning_type: Literal["lora", "lora_merged", "all_weights", "p_tuning"]
    lora: LoraData | None = None
    p_tuning: PTuningData | None = None


class ApiEndpoint(Body):
    url: str
    model_id: str
    format: Literal["nim", "openai", "lama_stack"] | None = None


class InferenceParams(Body):
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    stop: list[str] | None = None


class ReasoningParams(Body):
    effort: str | None = None
    end_token: str | None = None
    include_if_not_finished: bool | None = None


class Prompt(Body):
    """Prompt engineering data; kept for clients, not applied by NIM."""

    system_prompt: str | None = None
    system_prompt_template: str | None = None
    icl_few_shot_examples: str | None = None
    inference_params: InferenceParams | None = None
    reasoning_params: ReasoningParams | None = None


class ModelPatch(EntityPatch):
    base_model: str | dict[str, Any] | None = Field(None, examples=["huggingfacetb/smollm2-135m-instruct"])
    artifact: Artifact | None = None
    spec: ModelSpec | None = None
    peft: Peft | None = None
    api_endpoint: ApiEndpoint | None = Field(None, description="an `api_key` is not stored")
    prompt: Prompt | None = None
    guardrails: dict[str, Any] | None = None
    model_providers: list[str] | None = None


class NewModel(ModelPatch, NewEntity):
    """A model: base, tuned, or at an endpoint."""
