"""Trained adapters: stored in the Data Store, registered in the Entity Store, served by the engine. All three or none.

A model reference is `namespace/name@version`; its files are a commit of the repository `namespace/name`, tagged with
the version. The engine reads them from `<state>/adapters/<reference>`, which is made from the repository and may be
deleted.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from local_nemo.settings import Settings
from local_nemo.store.entities import AlreadyExists, Entities, Entity, NotFound
from local_nemo.store.repos import Files

if TYPE_CHECKING:  # importing it would load the model's packages
    from local_nemo.lm.engine import Engine

log = logging.getLogger("local_nemo.adapters")
KIND = "model"
STORED = "upload_completed"


class Adapters:
    """Keeps store, entities and engine in step about which adapters there are."""

    def __init__(self, settings: Settings, entities: Entities, files: Files, engine: Engine) -> None:
        self.settings, self.entities, self.files, self.engine = settings, entities, files, engine

    def start(self) -> None:
        """Serve every stored adapter of this base model again."""
        self.restore()

    def stop(self) -> None:
        """Nothing runs between calls."""

    def restore(self) -> None:
        for model in self.entities.all(KIND):
            if is_stored_adapter(model) and model.get("base_model") == self.settings.base_name:
                reference = f"{model['namespace']}/{model['name']}"
                try:
                    self.engine.add_adapter(reference, self._folder(reference))
                except (NotFound, OSError, ValueError) as error:
                    log.error("adapter %s is registered but can't be served: %s", reference, error)

    def announce(self, reference: str, description: Entity) -> None:
        """Register a model whose adapter is still to be trained, replacing one that never was completed."""
        namespace, name = reference.split("/", 1)
        artifact = {"files_url": f"hf://{reference}", "status": "created", "backend_engine": "nemo",
                    "precision": "fp32", "gpu_arch": None, "tensor_parallelism": 1}  # fmt: skip
        data = {**description, "namespace": namespace, "name": name, "artifact": artifact, "schema_version": "1.0"}
        try:
            self.entities.create(KIND, data)
        except AlreadyExists:
            self.entities.update(KIND, namespace, name, {"artifact": artifact, "peft": description.get("peft")})

    def publish(self, reference: str, folder: Path) -> str:
        """Store the adapter in `folder`, serve it, register it as complete; returns the commit. May be repeated."""
        repo, _, version = reference.partition("@")
        self.files.ensure_repo("models", repo)
        content = {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}
        commit = self.files.commit("models", repo, add=content, message=f"Adapter {reference}", tag=version or None)
        shutil.rmtree(self._path(reference), ignore_errors=True)
        self.engine.add_adapter(reference, self._folder(reference))
        self._set_status(reference, STORED)
        return commit

    def give_up(self, reference: str) -> None:
        """The training that was to make this adapter failed or was cancelled."""
        self._set_status(reference, "upload_failed")

    def withdraw(self, reference: str) -> None:
        """Serve the adapter no longer. Its files stay in the Data Store; unknown references are fine."""
        self.engine.remove_adapter(reference)
        shutil.rmtree(self._path(reference), ignore_errors=True)

    def is_served(self, reference: str) -> bool:
        return any(model.id == reference for model in self.engine.models())

    def _set_status(self, reference: str, status: str) -> None:
        namespace, name = reference.split("/", 1)
        try:
            model = self.entities.get(KIND, namespace, name)
        except NotFound:
            return  # deleted meanwhile
        self.entities.update(KIND, namespace, name, {"artifact": {**(model.get("artifact") or {}), "status": status}})

    def _folder(self, reference: str) -> Path:
        """The adapter's files as the engine reads them."""
        folder = self._path(reference)
        if not (folder / "adapter_model.safetensors").is_file():
            repo, _, version = reference.partition("@")
            self.files.checkout("models", repo, folder, version or "main")
        return folder

    def _path(self, reference: str) -> Path:
        return self.settings.state / "adapters" / reference


def is_stored_adapter(model: Entity) -> bool:
    return bool(model.get("peft")) and (model.get("artifact") or {}).get("status") == STORED
