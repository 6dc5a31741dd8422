"""What the Customizer's requests may hold, with the limits of this release. Unknown hyperparameters are refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from local_nemo.api.entity_routes import Body, EntityPage, EntityPatch, Name, NewEntity, Ownership

OUTPUT_MODEL = (
    r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}(@[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127})?$"
)
REFERENCE = r"^[\w.@:+-]+(/[\w.@:+-]+)?$"
Precision = Literal["int8", "bf16", "fp16", "fp32", "fp8-mixed", "bf16-mixed"]
Rate = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Strict(BaseModel):
    """An object whose unknown fields are errors: a misspelt hyperparameter must not train something else silently."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class Lora(Strict):
    adapter_dim: int = Field(default=8, ge=1, le=256, description="rank; a power of two", examples=[16])
    alpha: int = Field(default=16, ge=1, le=4096, description="the adapter counts alpha / adapter_dim", examples=[32])
    adapter_dropout: float = Field(default=0.0, ge=0, lt=1, allow_inf_nan=False)
    target_modules: list[Annotated[str, Field(min_length=1, max_length=200)]] | None = Field(
        default=None, max_length=512
    )

    @model_validator(mode="after")
    def is_power_of_two(self) -> Lora:
        if self.adapter_dim & (self.adapter_dim - 1):
            raise ValueError(f"adapter_dim must be a power of two, not {self.adapter_dim}")
        return self


class Sft(Strict):
    hidden_dropout: float | None = Field(None, ge=0, le=0.1, allow_inf_nan=False)
    attention_dropout: float | None = Field(None, ge=0, le=0.1, allow_inf_nan=False)


class Hyperparameters(Strict):
    """The hyperparameters of a job; defaults as documented, `warmup_steps` 200 but at most a tenth of the run."""

    training_type: Literal["sft", "dpo", "distillation", "grpo"] = "sft"
    finetuning_type: Literal["lora", "lora_merged", "all_weights"] = Field(examples=["lora"])
    epochs: int = Field(50, ge=1, le=10_000, examples=[2])
    batch_size: int = Field(8, ge=1, le=4096, examples=[16])
    learning_rate: float = Field(1e-4, gt=0, le=1, allow_inf_nan=False, examples=[1e-4])
    min_learning_rate: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    warmup_steps: int | None = Field(None, ge=0, le=1_000_000)
    max_steps: int = Field(-1, ge=-1, le=10_000_000)
    seed: int = Field(42, ge=0, lt=2**32)
    optimizer: Literal[
        "adamw_with_cosine_annealing", "adam_with_cosine_annealing", "adamw_with_flat_lr", "adam_with_flat_lr"
    ] = "adamw_with_cosine_annealing"
    adam_beta1: float = Field(0.9, ge=0, lt=1, allow_inf_nan=False)
    adam_beta2: float = Field(0.99, ge=0, lt=1, allow_inf_nan=False)
    weight_decay: float = Field(0.01, ge=0, le=1, allow_inf_nan=False)
    log_every_n_steps: int = Field(10, ge=1, le=1_000_000)
    val_check_interval: float | None = Field(None, gt=0, le=1_000_000, allow_inf_nan=False)
    sequence_packing_enabled: bool = False
    lora: Lora = Field(default_factory=Lora)
    sft: Sft | None = None
    dpo: dict[str, Any] | None = None
    distillation: dict[str, Any] | None = None
    grpo: dict[str, Any] | None = None

    @model_validator(mode="after")
    def is_consistent(self) -> Hyperparameters:
        if self.min_learning_rate and self.min_learning_rate >= self.learning_rate:
            raise ValueError(
                f"min_learning_rate {self.min_learning_rate} must be below learning_rate {self.learning_rate}"
            )
        if self.max_steps == 0:
            raise ValueError("max_steps must be above 0, or -1 for no limit")
        return self


class TrainingOption(Body):
    training_type: Literal["sft", "dpo", "distillation", "grpo"]
    finetuning_type: Literal["lora", "lora_merged", "all_weights"]
    num_gpus: int = Field(ge=0, le=1024)
    micro_batch_size: int = Field(ge=1, le=4096)
    num_nodes: int = Field(1, ge=1, le=1024)
    tensor_parallel_size: int = Field(1, ge=1, le=1024)
    pipeline_parallel_size: int = Field(1, ge=1, le=1024)
    data_parallel_size: int | None = Field(None, ge=1, le=1024)
    expert_model_parallel_size: int | None = Field(None, ge=1, le=1024)
    use_sequence_parallel: bool = False


class OptionRemoval(Body):
    training_type: str
    finetuning_type: str


class CustomizationTargetPatch(EntityPatch):
    base_model: str | None = Field(None, max_length=255, examples=["huggingfacetb/smollm2-135m-instruct"])
    enabled: bool | None = None
    model_uri: str | None = Field(None, max_length=4096)
    model_path: str | None = Field(None, max_length=4096)
    hf_endpoint: str | None = Field(None, max_length=4096)
    tokenizer: dict[str, Any] | None = None
    num_parameters: int | None = Field(None, ge=1)
    precision: Precision | None = None


class NewCustomizationTarget(CustomizationTargetPatch, NewEntity):
    num_parameters: int = Field(ge=1, examples=[134515008])
    precision: Precision = Field(examples=["fp32"])
    enabled: bool = True


class CustomizationConfigPatch(EntityPatch):
    max_seq_length: int | None = Field(None, ge=8, le=1_000_000)
    training_options: list[TrainingOption] | None = Field(None, min_length=1, max_length=64)
    training_precision: Precision | None = None
    prompt_template: str | None = Field(None, max_length=10_000)
    chat_prompt_template: str | None = Field(None, max_length=100_000)
    dataset_schemas: list[dict[str, Any]] | None = None
    pod_spec: dict[str, Any] | None = None
    add_training_options: list[TrainingOption] | None = Field(None, max_length=64)
    remove_training_options: list[OptionRemoval] | None = Field(None, max_length=64)


class InlineTarget(Body):
    """A target inside a configuration: the stored one of this name, or one of the same base model."""

    name: Name | None = None
    namespace: Name | None = None
    base_model: str | None = Field(None, max_length=255)


class NewCustomizationConfig(NewEntity):
    max_seq_length: int = Field(ge=8, le=1_000_000, examples=[4096])
    training_options: list[TrainingOption] = Field(min_length=1, max_length=64)
    target: Annotated[str, Field(pattern=REFERENCE, max_length=512)] | InlineTarget | None = None
    training_precision: Precision | None = None
    prompt_template: str | None = Field("{prompt} {completion}", max_length=10_000)
    chat_prompt_template: str | None = Field(None, max_length=100_000)
    dataset_schemas: list[dict[str, Any]] | None = None
    pod_spec: dict[str, Any] | None = None


class TrainingDataset(Body):
    name: Name | None = None
    namespace: Name | None = None
    files_url: str | None = Field(None, max_length=4096)

    @model_validator(mode="after")
    def names_something(self) -> TrainingDataset:
        if not self.name and not self.files_url:
            raise ValueError("a dataset needs `name` (and `namespace`) or `files_url`")
        return self


class DatasetParameters(Body):
    tools: list[dict[str, Any]] | None = Field(None, max_length=512, description="for rows without tools of their own")


class WandB(Body):
    project: str | None = Field(None, max_length=128)
    entity: str | None = Field(None, max_length=128)
    notes: str | None = Field(None, max_length=10_000)
    tags: list[Annotated[str, Field(max_length=64)]] | None = Field(None, max_length=64)


class Integration(Body):
    type: Literal["wandb"]
    wandb: WandB | None = None


class NewCustomizationJob(Body):
    """A training; see `Hyperparameters` for what it may ask for."""

    config: Annotated[str, Field(min_length=1, max_length=512)] | NewCustomizationConfig = Field(
        examples=["huggingfacetb/smollm2-135m-instruct@v1.0.0+cpu"]
    )
    dataset: Annotated[str, Field(min_length=1, max_length=4096)] | TrainingDataset = Field(
        examples=["xlam-tutorial-ns/xlam-ft-dataset"]
    )
    hyperparameters: Hyperparameters
    output_model: Annotated[str, Field(pattern=OUTPUT_MODEL)] | None = Field(
        None, description="`@<job id>` is appended unless it has a version", examples=["xlam-tutorial-ns/smollm2-xlam"]
    )
    name: Name | None = None
    namespace: Name = "default"
    description: str | None = None
    project: str | None = None
    custom_fields: dict[str, Any] | None = None
    ownership: Ownership | None = None
    dataset_parameters: DatasetParameters | None = None
    integrations: list[Integration] | None = Field(None, max_length=8)


class CustomizationStatus(Body):
    """Where a training stands: `status_details` of a job, and the answer to `/status`."""

    model_config = ConfigDict(extra="allow")
    created_at: str
    updated_at: str
    status: Literal["created", "pending", "running", "cancelling", "cancelled", "failed", "completed"]
    elapsed_time: float = Field(description="seconds")
    steps_completed: int = Field(examples=[438])
    epochs_completed: int = Field(examples=[2])
    percentage_done: float = Field(examples=[100.0])
    train_loss: float | None = Field(None, description="of the best epoch", examples=[0.0528])
    val_loss: float | None = Field(None, description="of the best epoch", examples=[0.0474])
    best_epoch: int | None = Field(None, examples=[1])
    metrics: dict[str, Any] | None = Field(None, description="`metrics.train_loss` and `.val_loss`: value, step, time")
    status_logs: list[dict[str, Any]] = Field(examples=[[{"message": "TrainingJobCompleted", "detail": None}]])


class CustomizationJob(NewCustomizationJob):
    """A training as answers show it."""

    id: str = Field(examples=["cust-FarcM8gwhL1XFDXQ57qGLL"])
    created_at: str
    updated_at: str
    dataset: str = Field(examples=["xlam-tutorial-ns/xlam-ft-dataset"])
    config_snapshot: dict[str, Any] = Field(description="the configuration as it was when the job was created")
    status: Literal["created", "pending", "running", "cancelling", "cancelled", "failed", "completed"]
    status_details: CustomizationStatus
    warnings: list[dict[str, Any]] = Field(examples=[[]])


class CustomizationJobPage(EntityPage):
    data: list[CustomizationJob]  # type: ignore[assignment]  # narrower than any entity


class ContainerLogs(Body):
    """What a training's process wrote, the events of its life, and why it failed."""

    entries: dict[str, dict[str, Any]] = Field(examples=[{"training-cust-1": {"logs": {"main": "..."}, "events": []}}])
    error: dict[str, Any] | None = None
