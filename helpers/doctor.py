"""Is everything there? One row per service, dataset, model and token: OK, or what is wrong and what to do.

    make doctor                         the table in a terminal; exit code 1 if something must be mended
    doctor.table(doctor.check(config))  the same in a notebook

Contract: changes nothing, starts nothing, takes seconds per service, never shows a token. The status of a row is `OK`,
`wrong` (must be mended), `later` (a notebook makes it) or `not set` (optional).
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import httpx
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from . import customizer, data_store, entity_store, errors, nim, state
from .http import Service, Timeouts
from .platform import Platform, at, connect
from .retry import Retry, TookTooLong, within
from .text_table import TextTable

SAFETY_MODEL = "nvidia/llama-3.1-nemoguard-8b-content-safety"
SERVICES = (
    ("Data Store", "nds", "/v1/datastore/namespaces"),
    ("Entity Store", "nemo", "/v1/namespaces"),
    ("Customizer", "nemo", "/v1/customization/configs"),
    ("Evaluator", "nemo", "/v1/evaluation/configs"),
    ("Guardrails", "nemo", "/v1/guardrail/configs"),
    ("Deployment Management", "nemo", "/v1/deployment/model-deployments"),
    ("NIM", "nim", "/v1/models"),
)
FILES = (
    "customization/training.jsonl",
    "validation/validation.jsonl",
    "evaluation/xlam-test-single.jsonl",
)  # what notebook 1 writes


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    part: str
    status: str
    fact: str
    next_step: str = ""


def check(config: ModuleType, platform: Platform | None = None) -> list[Row]:
    """Every row. Without a platform, the one that config.py names is looked for, and not started."""
    try:
        platform = _impatient(platform or connect(config, start=False))
    except errors.TutorialError as error:
        return [Row("platform", "wrong", error.what, error.next_step), _files(config), *_tokens(config)]
    rows = [Row("platform", "OK", platform.kind)]  # its URLs are in the rows of the services
    rows += [_service(name, getattr(platform, attribute), path) for name, attribute, path in SERVICES]
    up = {row.part for row in rows if row.status == "OK"}
    if "Customizer" in up:
        rows.append(_trainable(config, platform))
    if "NIM" in up:
        rows += _models(config, platform)
    rows.append(_files(config))
    if {"Data Store", "Entity Store"} <= up:
        rows += _stored(config, platform)
    return [*rows, *_tokens(config)]


def table(rows: list[Row]) -> TextTable:
    """The rows as a table for a notebook."""
    lines = [(row.part, row.status, row.fact, row.next_step) for row in rows]
    return TextTable(lines, columns=["part", "status", "what is true now", "what to do"]).set_index("part")


def _impatient(platform: Platform) -> Platform:
    """The same platform with short timeouts: a service that is down should cost seconds, not minutes."""
    quick = at(
        platform.nemo_url,
        platform.nds_url,
        platform.nim_url,
        nds_token=platform.nds_token,
        local_pid=platform.local_pid,
    )
    for service in (quick.nemo, quick.nds, quick.nim):
        service.retry, service.timeouts = Retry(attempts=2), Timeouts(connect=3, read=15, total=20)
    return quick


def _service(name: str, service: Service, path: str) -> Row:
    try:
        service.get(path)
    except errors.ServiceError as error:
        return Row(name, "wrong", error.what, error.next_step)
    return Row(name, "OK", f"{service.url} answers")


def _trainable(config: ModuleType, platform: Platform) -> Row:
    reference = f"{config.BASE_MODEL}@{config.BASE_MODEL_VERSION}"
    try:
        customizer.require_config(platform, reference)
    except errors.NotFound as error:
        return Row("model to train", "wrong", f"{error.what} {error.now}", error.next_step)
    return Row("model to train", "OK", reference)


def _models(config: ModuleType, platform: Platform) -> Iterator[Row]:
    served = nim.models(platform)
    if config.BASE_MODEL in served:
        yield Row("base model", "OK", f"{config.BASE_MODEL} is served")
    else:
        todo = "set BASE_MODEL or PROFILE in config.py, or deploy it: notebook 2, section 1."
        yield Row("base model", "wrong", f"{config.BASE_MODEL} is not among {', '.join(served) or 'no models'}", todo)
    try:
        tuned = state.load("customized_model")
    except errors.MissingState:
        yield Row("customized model", "later", "none yet", "notebook 2 trains it.")
    else:
        yield (
            Row("customized model", "OK", f"{tuned} is served")
            if tuned in served
            else Row("customized model", "wrong", f"{tuned} is not served any more", "run notebook 2 again.")
        )
    if SAFETY_MODEL in served:
        yield Row("content-safety model", "OK", f"{SAFETY_MODEL} is served")
    elif config.NVIDIA_API_KEY:
        yield Row("content-safety model", "OK", "not served here; NVIDIA_API_KEY reaches the hosted one")
    else:
        todo = "notebook 4 needs it: deploy it, or set NVIDIA_API_KEY (docs/laptop-to-cluster.md)."
        yield Row("content-safety model", "not set", f"{SAFETY_MODEL} is not served", todo)


def _files(config: ModuleType) -> Row:
    missing = [name for name in FILES if not (Path(config.DATA_DIR) / name).is_file()]
    if missing:
        return Row(
            "files of notebook 1", "later", f"missing in {config.DATA_DIR}/: {', '.join(missing)}", "run notebook 1."
        )
    return Row("files of notebook 1", "OK", f"{len(FILES)} files in {config.DATA_DIR}/")


def _stored(config: ModuleType, platform: Platform) -> Iterator[Row]:
    """The dataset, and whether every stored file of the tutorial's namespace still has the content it had."""
    repo = f"{config.NMS_NAMESPACE}/{config.DATASET_NAME}"
    try:
        entity_store.dataset(platform, config.NMS_NAMESPACE, config.DATASET_NAME)
        commit = data_store.commit_of(platform, repo)
        yield Row("dataset", "OK", f"{repo} at commit {commit[:8]}")
    except errors.NotFound:
        yield Row("dataset", "later", f"{repo} does not exist yet", "notebook 2 creates and fills it.")
    except errors.ServiceError as error:
        yield Row("dataset", "wrong", error.what, error.next_step)
    try:
        yield _integrity(config, platform)
    except errors.ServiceError as error:
        yield Row("stored files", "wrong", error.what, error.next_step)


def _integrity(config: ModuleType, platform: Platform) -> Row:
    query = {"filter[namespace]": config.NMS_NAMESPACE}
    bad, repos = [], 0
    for path, repo_type in (("/v1/datasets", "dataset"), ("/v1/models", "model")):
        for entity in platform.nemo.pages(path, params=query):
            artifact = entity.get("artifact") or {}
            if artifact.get("status") in ("created", "upload_failed"):
                continue  # its training is under way, or did not end with a model
            url = entity.get("files_url") or artifact.get("files_url") or ""
            repo, _, revision = url.removeprefix("hf://").removeprefix("datasets/").partition("@")
            if repo.count("/") != 1:
                continue  # files that are elsewhere, or a model that has no files (yet)
            repos += 1
            where = {"repo_type": repo_type, "revision": revision or "main"}  # a model's version is a revision
            try:
                bad += [f"{repo}/{file}" for file in data_store.damaged(platform, repo, **where)]
            except errors.NotFound:
                bad.append(f"{repo} (no such repository)")
    if bad:
        todo = "the disk changed them: upload the data again (notebook 2); a model has to be trained again."
        return Row("stored files", "wrong", f"content and hash differ: {', '.join(bad)}", todo)
    if not repos:
        return Row("stored files", "OK", "nothing is stored yet")
    return Row("stored files", "OK", f"every file of {repos} repositories has the hash it was stored with")


def _tokens(config: ModuleType) -> Iterator[Row]:
    yield _hub_token(config)
    for name, use in (
        ("WANDB_API_KEY", "optional: training curves in Weights & Biases; without it an offline run is kept"),
        ("NVIDIA_API_KEY", "optional: the hosted content-safety model of build.nvidia.com"),
    ):
        yield Row(name, "OK", "set") if getattr(config, name) else Row(name, "not set", use)


def _hub_token(config: ModuleType) -> Row:
    """Whether DATASET can be read: a file, the bundled set, or a hub dataset with this very token."""
    if config.DATASET == "bfcl" or Path(config.DATASET).suffix == ".jsonl":
        fact = "set, not needed" if config.HF_TOKEN else "not needed"
        return Row("HF_TOKEN", "OK", f"{fact} for DATASET={config.DATASET!r}")
    page = f"https://huggingface.co/datasets/{config.DATASET}"
    try:
        token = config.HF_TOKEN or False
        within(20, lambda: HfApi(token=token).auth_check(config.DATASET, repo_type="dataset"))
    except HfHubHTTPError as error:
        todo = f"ask for access at {page}, then put a token of that account into HF_TOKEN."
        return Row("HF_TOKEN", "wrong", f"no access to {config.DATASET} (status {error.response.status_code})", todo)
    except (httpx.TransportError, OfflineModeIsEnabled, TookTooLong) as error:
        todo = "connect to the internet, or set DATASET to 'bfcl' or to a JSONL file."
        return Row("HF_TOKEN", "wrong", f"the Hugging Face hub cannot be reached ({type(error).__name__})", todo)
    return Row("HF_TOKEN", "OK", f"{config.DATASET} can be read")


def main() -> int:
    """Print the table; 1 if a row is wrong."""
    import config

    rows = check(config)
    for row in rows:
        print(f"{row.status:8} {row.part:22} {row.fact}")
        if row.next_step:
            print(f"{'':8} {'':22} -> {row.next_step}")
    return int(any(row.status == "wrong" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
