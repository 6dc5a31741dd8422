"""Datasets of the Hugging Face hub, such as the gated xLAM set: downloaded once (the hub's own cache), read row by row.

The token goes to the hub only. Whether it has access is asked before anything is downloaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from huggingface_hub import HfApi
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

from helpers.data import jsonl
from helpers.data.errors import DatasetError, GatedDataset, UnknownDataset, UnreadableData

READABLE = (".parquet", ".jsonl", ".json")


def rows(dataset: str, *, token: str = "", endpoint: str | None = None) -> Iterator[dict[str, Any]]:
    """The rows of the training files. Raises GatedDataset, UnknownDataset or DatasetError before the first row."""
    hub = HfApi(endpoint=endpoint, token=token or False)
    try:
        names = _training_files(hub.list_repo_files(dataset, repo_type="dataset"), dataset)
        paths = [Path(hub.hf_hub_download(dataset, name, repo_type="dataset")) for name in names]
    except GatedRepoError:
        raise _gated(dataset, hub.endpoint, token) from None
    except RepositoryNotFoundError:
        raise _unknown(dataset, hub.endpoint, token) from None
    except HfHubHTTPError as error:
        if error.response.status_code in (401, 403):
            raise _gated(dataset, hub.endpoint, token) from None
        raise _unreachable(dataset, hub.endpoint, f"it answered {error.response.status_code}") from None
    except (LocalEntryNotFoundError, httpx.TransportError, OSError) as error:
        raise _unreachable(dataset, hub.endpoint, str(error).splitlines()[0]) from None
    return (row for path in paths for row in _read(path))


def _training_files(names: list[str], dataset: str) -> list[str]:
    """The files of the train split: those with `train` in their path, else all; of one kind only."""
    for suffix in READABLE:
        found = sorted(name for name in names if name.endswith(suffix) and not name.startswith("."))
        if found:
            return [name for name in found if "train" in name.lower()] or found
    raise UnreadableData(
        f"{dataset} has no file that can be read here.",
        now=f"it holds {', '.join(names[:8]) or 'nothing'}; readable are {', '.join(READABLE)}",
        next_step="download it, save its rows as JSONL, and set DATASET to that file",
    )


def _read(path: Path) -> Iterator[dict[str, Any]]:
    """JSON is read as it is; Parquet through `datasets`, streaming."""
    if path.suffix != ".parquet":
        return jsonl.read(path)
    from datasets import load_dataset

    return iter(load_dataset("parquet", data_files=str(path), split="train", streaming=True))


def _gated(dataset: str, endpoint: str, token: str) -> GatedDataset:
    return GatedDataset(
        f"{dataset} is gated: the hub gives it only to accounts that have asked for access.",
        now="HF_TOKEN is set, but its account has no access" if token else "HF_TOKEN is empty",
        next_step=f"ask for access at {endpoint}/datasets/{dataset} (granted at once), set HF_TOKEN to a token with "
        "read access, run again; or set DATASET to 'bfcl', which needs neither",
    )


def _unknown(dataset: str, endpoint: str, token: str) -> UnknownDataset:
    return UnknownDataset(
        f"The hub has no dataset {dataset!r}" + (" that this token may see." if token else ", or it is private."),
        now=f"{endpoint} was asked " + ("with HF_TOKEN" if token else "without a token: HF_TOKEN is empty"),
        next_step="check the spelling of DATASET, or set it to 'bfcl' or the path of a JSONL file",
    )


def _unreachable(dataset: str, endpoint: str, why: str) -> DatasetError:
    return DatasetError(
        f"{dataset} cannot be fetched from {endpoint}: {why}",
        now="nothing was downloaded",
        next_step="check the network, or set DATASET to 'bfcl', which is on this machine",
    )
