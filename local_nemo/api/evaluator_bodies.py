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


class EvaluationDataset(Body):
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
    dataset: str | EvaluationDataset | None = None
    params: dict[str, Any] | None = None
    metrics: dict[str, MetricConfig] | None = None


class EvaluationConfigPatch(EntityPatch):
    type: str | None = Field(None, examples=["custom"])
    params: EvaluationParams | None = None
    tasks: dict[str, TaskConfig] | None = None
    groups: dict[str, Any] | None = None


class NewEvaluationConfig(EvaluationConfigPatch, NewEntity):
    type: str = Field(examples=["custom"])


class TargetEndpoint(Body):
    """An OpenAI-compatible server; `api_key` is best the name of a variable in this server's environment."""

    url: str = Field(max_length=2048)
    model_id: str
    api_key: str | None = None
    format: str | None = None


class TargetModel(Body):
    model_config = ConfigDict(extra="allow")
    api_endpoint: TargetEndpoint


class EvaluationTargetPatch(EntityPatch):
    type: str | None = Field(None, examples=["model"])
    model: str | TargetModel | None = Field(None, examples=["huggingfacetb/smollm2-135m-instruct"])
    rows: list[dict[str, Any]] | None = Field(None, description="rows that hold their answers in `response`")
    dataset: str | EvaluationDataset | None = None
    cached_outputs: EvaluationDataset | None = None
    retriever: dict[str, Any] | None = None
    rag: dict[str, Any] | None = None


class NewEvaluationTarget(EvaluationTargetPatch, NewEntity):
    type: str = Field(examples=["model"])


class NewEvaluationJob(EntityPatch):
    """`config` and `target` are `namespace/name` of stored ones, or the objects themselves."""

    config: str | NewEvaluationConfig
    target: str | NewEvaluationTarget
    namespace: Name | None = None
    output_files_url: str | None = Field(None, max_length=4096)


class EvaluationJobStatus(Body):
    """How far a job is."""

    message: str | None = None
    progress: float | None = Field(None, description="percent", examples=[100.0])
    samples_processed: int | None = Field(None, examples=[150])
    task_status: dict[str, Literal["pending", "running", "completed", "failed"]] = Field(
        {}, examples=[{"custom-tool-calling": "completed"}]
    )


class StoredEvaluationJob(NewEvaluationJob):
    """A job as answers show it: config and target expanded."""

    config: NewEvaluationConfig
    target: NewEvaluationTarget
    status: Literal["created", "pending", "running", "cancelling", "cancelled", "failed", "completed"]
    status_details: EvaluationJobStatus
    result: str | None = Field(None, description="the id of the result, once completed")


class ResultPatch(EntityPatch):
    files_url: str | None = None
    tasks: dict[str, Any] | None = None
    groups: dict[str, Any] | None = None


class NewResult(ResultPatch):
    job: str
    namespace: Name | None = None


class LiveEvaluation(Body):
    """What an evaluation came to that nothing stores: its scores and one log line a row."""

    status: Literal["completed", "failed"]
    result: dict[str, Any] = Field(examples=[{"tasks": {"custom-tool-calling": {"metrics": {}}}}])
    logs: dict[str, list[str]] = Field(examples=[{"custom-tool-calling": ["row 0: {'accuracy': 1.0}"]}])
    status_details: EvaluationJobStatus
