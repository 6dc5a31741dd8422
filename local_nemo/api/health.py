"""Health endpoints: 200 while a service can do its work. NIM's, which waits for the engine, is with NIM."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from local_nemo.api.context import Context
from local_nemo.store.query import ListQuery

router = APIRouter(tags=["Health"])


class Health(BaseModel):
    status: str = Field(examples=["ready"])


@router.get("/health", summary="Entity Store and Evaluator")
@router.get("/v1/health", summary="Data Store and Guardrails")
@router.get("/v1/health/ready", summary="Customizer: can take a job")
def ready(services: Context) -> Health:
    services.entities.page("namespace", ListQuery(page_size=1))  # raises where the database can't be read
    return Health(status="ready")


@router.get("/v1/health/live", summary="Customizer: the process answers")
def live() -> Health:
    return Health(status="live")
