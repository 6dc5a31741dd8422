"""Model deployments: from `pending` to `ready` or `failed`, and back out of memory.

A deployment asks for a model. If the engine serves that model already (the base model, an adapter, the stand-in of the
content-safety NIM) there is nothing to load, and the description says so. Any other model is loaded by the engine under
the deployment's name; what the engine can't load is `failed`, with its reason. One load at a time; deployments survive
a restart of the server and are made again. Images, GPUs and volumes of a request concern a cluster and change nothing.
"""

import logging
import threading
from typing import Any

from local_nemo.store.entities import Entities, NotFound

log = logging.getLogger("local_nemo.deployments")
KIND, CONFIG_KIND = "model_deployment", "deployment_config"
LOAD_SECONDS = 900.0
ALIVE = ("pending", "ready")
REGISTRY_PARTS = 2  # nvcr.io/nim/<namespace>/<name>
_loading = threading.Lock()

Entity = dict[str, Any]


class NoModel(ValueError):
    """A configuration that does not say which model to deploy."""


def wanted_model(config: Entity | str, entities: Entities) -> str:
    """The model that a configuration, or the stored one it names, asks for. Raises `NoModel`, `NotFound`."""
    if isinstance(config, str):
        namespace, slash, name = config.partition("/")
        config = entities.get(CONFIG_KIND, *((namespace, name) if slash else ("default", config)))
    if config.get("external_endpoint"):
        raise NoModel("an external_endpoint can't be deployed: local_nemo serves models of this machine; use `model`")
    model = config.get("model")
    if isinstance(model, dict) and model.get("name"):
        return f"{model.get('namespace') or 'default'}/{model['name']}"
    if isinstance(model, str) and model:
        return model
    image = (config.get("nim_deployment") or {}).get("image_name", "")
    if image.count("/") > REGISTRY_PARTS:
        return "/".join(image.split("/")[REGISTRY_PARTS:])
    raise NoModel("a deployment configuration needs `model`: a served model, a folder, or a hub id")


def begin(deployment: Entity, services: Any) -> None:
    """Start to deploy in the background; the entity shows how it goes."""
    threading.Thread(target=deploy, args=(deployment["id"], services), name=deployment["id"], daemon=True).start()


def restore(services: Any) -> None:
    """Make the deployments of an earlier run of the server again."""
    for deployment in services.entities.all(KIND):
        if deployment["status_details"]["status"] in ALIVE:
            services.entities.edit(KIND, deployment["id"], lambda old: old | pending("the server was restarted"))
            begin(deployment, services)


def deploy(id: str, services: Any) -> None:
    """Bring one deployment to `ready` or `failed`."""
    try:
        with _loading:
            deployment = services.entities.find(KIND, id)
            served = f"{deployment['namespace']}/{deployment['name']}"
            try:
                outcome = _serve(deployment, served, services)
            except Exception as error:  # whatever the engine raises is the reason to show; the log keeps the rest
                log.warning("deployment %s failed", served, exc_info=error)
                outcome = failed(f"{type(error).__name__}: {error}")
            try:
                services.entities.edit(KIND, id, lambda old: old | outcome)
            except NotFound:
                withdraw(deployment | outcome, services)  # deleted while it was loading
    except NotFound:
        log.info("deployment %s was deleted before it was begun", id)


def withdraw(deployment: Entity, services: Any) -> None:
    """Take the model that this deployment loaded, if it loaded one, out of memory."""
    if deployment.get("loaded"):
        services.engine.unload_base(f"{deployment['namespace']}/{deployment['name']}")


def pending(description: str) -> Entity:
    return {"deployed": False, "loaded": False, "url": "", "status_details": _details("pending", description)}


def failed(reason: str) -> Entity:
    return {"deployed": False, "loaded": False, "url": "", "status_details": _details("failed", reason[:2000])}


def _serve(deployment: Entity, name: str, services: Any) -> Entity:
    """Make the engine serve what the deployment wants; returns the fields that say so."""
    model = wanted_model(deployment["config"], services.entities)
    roots = {one.id: one.root for one in services.engine.models()}
    if model not in roots and not services.engine.ready:
        if not services.engine.wait_ready(LOAD_SECONDS):
            return failed(f"the engine was not ready within {LOAD_SECONDS:.0f} s; server.log says why")
        roots = {one.id: one.root for one in services.engine.models()}
    if model in roots:
        root = "" if roots[model] == model else f" (root: {roots[model]})"
        return _ready(f"model {model} is already served on this machine{root}; nothing was loaded", model, services)
    if name in roots:
        return failed(f"the name {name} is already served, by another model; deploy {model} under another name")
    services.engine.load_base(name, model)
    return _ready(f"model {model} was loaded and is served as {name}", name, services) | {"loaded": True}


def _ready(description: str, model: str, services: Any) -> Entity:
    facts = {"deployed": True, "loaded": False, "url": services.settings.nim_url, "models": [model]}
    return facts | {"status_details": _details("ready", description)}


def _details(status: str, description: str) -> Entity:
    return {"status": status, "description": description}
