"""The HTTP application: every service's routes on one port, NIM under `/nim`, and what protects all of them.

Contract: answers are JSON, errors too; requests come from this machine and not from a web page of another origin;
bodies are bounded. `create_app` only wires: starting and stopping the services is the server's task.
"""

import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from fastapi import FastAPI

from local_nemo.api import errors
from local_nemo.api.guards import JsonBodyGuard, LocalOnlyGuard
from local_nemo.jobs import deploying

ROUTERS = ("datastore", "hub", "entity_store", "customizer", "evaluator", "guardrails", "deployments", "health")
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


def create_app(services: Any) -> FastAPI:
    """The application that answers with these services."""
    app = FastAPI(
        title="local_nemo",
        summary="The NeMo Microservices HTTP API on one machine",
        version="1",
        openapi_tags=TAGS,
        lifespan=_lifespan,
        redirect_slashes=False,
    )
    app.state.services = services
    errors.install(app)
    for name in ROUTERS:
        if importlib.util.find_spec(f"local_nemo.api.{name}"):
            app.include_router(importlib.import_module(f"local_nemo.api.{name}").router)
    if importlib.util.find_spec("local_nemo.api.nim"):
        app.include_router(importlib.import_module("local_nemo.api.nim").router, prefix="/nim")
    app.add_middleware(JsonBodyGuard)
    app.add_middleware(LocalOnlyGuard)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = REQUEST_THREADS
    deploying.restore(app.state.services)
    yield
