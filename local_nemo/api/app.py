"""The HTTP application: every service's routes on one port, NIM under `/nim`, and what protects all of them.

Contract: answers are JSON, errors too; requests come from this machine and not from a web page of another origin;
bodies are bounded. `create_app` only wires: starting and stopping the services is the server's task.
"""

import importlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from fastapi import FastAPI

from local_nemo.api import errors, pages
from local_nemo.api.guards import JsonBodyGuard, LocalOnlyGuard, StoppingGuard
from local_nemo.jobs import deploying

STORING = ("datastore", "hub", "entity_store", "deployments", "health")  # need a store, but neither model nor guard
SERVICES = (*STORING, "customizer", "evaluator", "guardrails", "nim")
PREFIXES = {"nim": "/nim"}  # the Entity Store has /v1/models too
REQUEST_THREADS = 256  # a chat or a slow download holds one; far more than the engine's queue lets in
TAGS = [
    {"name": "Data Store", "description": "Namespaces of file repositories."},
    {"name": "Hub", "description": "The Hub-compatible file API: use huggingface_hub with endpoint `<url>/v1/hf`."},
    {"name": "Entity Store", "description": "Namespaces, projects, datasets and models, by name."},
    {"name": "Customizer", "description": "LoRA training: targets, configurations, jobs."},
    {"name": "Evaluator", "description": "Scores models on datasets: configurations, targets, jobs, results."},
    {"name": "Guardrails", "description": "Checks messages against a safety configuration."},
    {"name": "Deployment Management", "description": "Which base models are loaded."},
    {"name": "NIM", "description": "OpenAI-compatible inference, under `/nim`."},
    {"name": "Health", "description": "What each service says of itself."},
]


def create_app(services: Any, names: Sequence[str] = SERVICES) -> FastAPI:
    """The application that answers for the named services; each is a module of this package with a `router`."""
    app = FastAPI(
        title="local_nemo",
        summary="The NeMo Microservices HTTP API on one machine",
        version="1",
        openapi_tags=TAGS,
        lifespan=_lifespan,
        redirect_slashes=False,
        docs_url=None,  # its page would load scripts from another host: `pages` has one that does not
        redoc_url=None,
        responses=errors.DOCUMENTED,
        separate_input_output_schemas=False,
    )
    app.state.services = services
    app.include_router(pages.router)
    errors.install(app)
    for name in names:
        module = importlib.import_module(f"local_nemo.api.{name}")
        app.include_router(module.router, prefix=PREFIXES.get(name, ""))
    app.add_middleware(JsonBodyGuard)
    app.add_middleware(LocalOnlyGuard)
    app.add_middleware(StoppingGuard)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = REQUEST_THREADS
    deploying.restore(app.state.services)
    yield
