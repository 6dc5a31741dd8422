"""The shapes of evaluation configs, targets, jobs and results, with their bounds, as clients send and see them."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from local_nemo.api.entity_routes import Body, EntityPatch, Name, NewEntity


class Strict(Body):
    """Unknown fields are refused: a misspelt limit that is silently ignored costs hours."""

    model_config = ConfigDict(extra="forbid")


class EvaluationParams(Strict):
    parallelism: int | None = Field(None, ge=1, le=128, description="requests at once, 16 unless given")
    request_timeout: int | None = Field(None, ge=1, le=3600, description="seconds for one answer")
    max_retries: int | None = Field(None, ge=0, le=20)
    limit_samples: int | None = Field(None, ge=1)
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    stop: str | list[str] | None = None
    extra: dict[str, Any] | None = Field(None, description="`requests_per_minute` spaces the requests")


class DatasetReference(Body):
    """Rows in the Data Store: a file, a folder of files, or a repository with a `testing/` folder."""

    model_config = ConfigDict(extra="allow")
    files_url: str = Field(min_length=1, examples=["hf://datasets/xlam-tutorial-ns/xlam-ft-dataset/testing/test.jsonl"])
    limit: int | None = Field(None, ge=1)
    hf_endpoint: str | None = None


class MetricConfig(Strict):
    type: str = Field(examples=["tool-calling"])
    params: dict[str, Any] | None = None


class TaskConfig(Strict):
    type: str = Field(examples=["chat-completion"])
    dataset: str | DatasetReference | None = None
    params: dict[str, Any] | None = None
    metrics: dict[str, MetricConfig] | None = None


class ConfigPatch(EntityPatch):
    type: str | None = Field(None, examples=["custom"])
    params: EvaluationParams | None = None
    tasks: dict[str, TaskConfig] | None = None
    groups: dict[str, Any] | None = None


class NewConfig(ConfigPatch, NewEntity):
    type: str = Field(examples=["custom"])


class ApiEndpoint(Body):
    """An OpenAI-compatible server; `api_key` is best the name of a variable in this server's environment."""

    url: str = Field(max_length=2048)
    model_id: str
    api_key: str | None = None
    format: str | None = None


class TargetModel(Body):
    model_config = ConfigDict(extra="allow")
    api_endpoint: ApiEndpoint


class TargetPatch(EntityPatch):
    type: str | None = Field(None, examples=["model"])
    model: str | TargetModel | None = Field(None, examples=["huggingfacetb/smollm2-135m-instruct"])
    rows: list[dict[str, Any]] | None = Field(None, description="rows that hold their answers in `response`")
    dataset: str | DatasetReference | None = None
    cached_outputs: DatasetReference | None = None
    retriever: dict[str, Any] | None = None
    rag: dict[str, Any] | None = None


class NewTarget(TargetPatch, NewEntity):
    type: str = Field(examples=["model"])


class NewJob(EntityPatch):
    """`config` and `target` are `namespace/name` of stored ones, or the objects themselves."""

    config: str | NewConfig
    target: str | NewTarget
    namespace: Name | None = None
    output_files_url: str | None = Field(None, max_length=4096)


class JobStatus(Body):
    """How far a job is."""

    message: str | None = None
    progress: float | None = Field(None, description="percent", examples=[100.0])
    samples_processed: int | None = Field(None, examples=[150])
    task_status: dict[str, Literal["pending", "running", "completed", "failed"]] = Field(
        {}, examples=[{"custom-tool-calling": "completed"}]
    )


class StoredJob(NewJob):
    """A job as answers show it: config and target expanded."""

    config: NewConfig
    target: NewTarget
    status: Literal["created", "pending", "running", "cancelling", "cancelled", "failed", "completed"]
    status_details: JobStatus
    result: str | None = Field(None, description="the id of the result, once completed")


class ResultPatch(EntityPatch):
    files_url: str | None = None
    tasks: dict[str, Any] | None = None
    groups: dict[str, Any] | None = None


class NewResult(ResultPatch):
    job: str
    namespace: Name | None = None
