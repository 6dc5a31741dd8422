"""Guardrails: configurations, checks, and chats and completions between rails.

A check answers HTTP 200 with `status` success, blocked, or unknown (no rail could decide: never read it as success).
A chat whose check came to no verdict is answered with 424, because nothing may pass and no policy was violated
either.
"""

from typing import Annotated, Any

from fastapi import Header
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import Field

from local_nemo.api.context import Context, Services
from local_nemo.api.entity_routes import Entity, EntityPatch, NewEntity, entity_router, ok
from local_nemo.api.errors import ApiError
from local_nemo.api.guardrail_answers import (
    chat_answer,
    chat_events,
    check_answer,
    completion_answer,
    completion_events,
)
from local_nemo.api.guardrail_bodies import CheckBody, GuardedBody, GuardedChatBody, GuardedTextBody, Selection
from local_nemo.api.guardrail_schemas import (
    GuardedChatCompletion,
    GuardedTextCompletion,
    GuardrailCheck,
    GuardrailModels,
)
from local_nemo.guard.chat import CheckUnreadable, GuardedChat
from local_nemo.guard.combine import combined
from local_nemo.guard.config import ConfigError
from local_nemo.guard.config_data import ConfigData
from local_nemo.guard.factory import data_behind

TAG = "Guardrails"
KIND = "guardrail_config"
FAILED_DEPENDENCY = 424  # the SDK doesn't repeat it, unlike 5xx
OLD_FIELDS = {"models": {"__all__": {"reasoning_config", "remove_reasoning_traces"}}}  # of releases before 25.9
ModelKey = Annotated[
    str | None, Header(alias="X-Model-Authorization", description="key for the models' hosts; not stored")
]


class GuardrailConfigPatch(EntityPatch):
    data: dict[str, Any] | None = Field(None, description="models, rails and prompts")
    files_url: str | None = Field(None, max_length=4096)


class NewGuardrailConfig(GuardrailConfigPatch, NewEntity):
    pass


def prepare(data: Entity, services: Services) -> Entity:
    """A configuration with its defaults, or 422 with what is wrong in it."""
    if data.get("data") is not None:
        try:
            data["data"] = services.guard.read_new_config(data["data"]).model_dump(exclude=OLD_FIELDS)
        except ConfigError as error:
            raise _refusal(error, "data") from None
    elif data_behind(data.get("files_url") or "") is None:
        reason = "a configuration needs data: this server reads no files_url but those of its factory configurations"
        raise ApiError(422, [{"loc": ["body", "data"], "msg": reason, "type": "missing"}])
    return data


def prepare_patch(changes: Entity, current: Entity, services: Services) -> Entity:
    """The same for a patch that touches what the configuration does."""
    if not {"data", "files_url"} & changes.keys():
        return changes
    whole = prepare({**current, **changes}, services)
    return changes | ({"data": whole["data"]} if "data" in changes else {})


router = entity_router(
    KIND,
    "/v1/guardrail/configs",
    NewGuardrailConfig,
    GuardrailConfigPatch,
    tag=TAG,
    prepare=prepare,
    prepare_patch=prepare_patch,
)


@router.post(
    "/v1/guardrail/checks",
    summary="Check messages",
    operation_id="check_messages",
    responses=ok(GuardrailCheck),
)
def checks(body: CheckBody, services: Context, key: ModelKey = None) -> dict[str, Any]:
    config, ids = chosen_config(body.guardrails, services)
    rails = body.guardrails.options.rails.model_dump()
    messages = body.guardrails.after_state([message.model_dump() for message in body.messages])
    try:
        result = services.guard.check(config, messages, model=body.model, rails=rails, key=key)
    except ConfigError as error:
        raise _refusal(error, "guardrails") from None
    return check_answer(result, ids, body.guardrails.options.log)


@router.post(
    "/v1/guardrail/chat/completions",
    summary="Chat between rails",
    operation_id="guarded_chat",
    responses=ok(GuardedChatCompletion),
)
def chat(body: GuardedChatBody, services: Context, key: ModelKey = None) -> Response:
    messages = [message.model_dump(exclude_none=True) for message in body.messages]
    guarded, ids = _open(body, messages, services, key)
    if body.streams:
        return StreamingResponse(chat_events(guarded), media_type="text/event-stream")
    return JSONResponse(chat_answer(guarded, ids, body.guardrails.options.log, body.guardrails.return_choice))


@router.post(
    "/v1/guardrail/completions",
    summary="Complete between rails",
    operation_id="guarded_completion",
    responses=ok(GuardedTextCompletion),
)
def completions(body: GuardedTextBody, services: Context, key: ModelKey = None) -> Response:
    guarded, ids = _open(body, [{"role": "user", "content": body.prompt}], services, key)
    if body.streams:
        return StreamingResponse(completion_events(guarded), media_type="text/event-stream")
    return JSONResponse(completion_answer(guarded, ids, body.guardrails.options.log))


@router.get(
    "/v1/guardrail/models",
    tags=[TAG],
    summary="List the models",
    operation_id="list_guardrail_models",
    responses=ok(GuardrailModels),
)
def models(services: Context) -> dict[str, Any]:
    served = services.engine.models()
    data = [{"id": one.id, "object": "model", "created": one.created, "owned_by": "local_nemo"} for one in served]
    return {"object": "list", "data": data}


def chosen_config(selection: Selection, services: Services) -> tuple[ConfigData, list[str]]:
    """The configuration that a request names or carries, and the ids it goes by. Raises 404, 422."""
    if isinstance(selection.config, dict):
        return _read(selection.config, services, "guardrails", "config"), []
    ids = selection.config_ids or [one for one in (selection.config_id, selection.config) if isinstance(one, str)]
    if not ids:
        reason = "name a configuration (config_id, config_ids) or send one (config)"
        raise ApiError(422, [{"loc": ["body", "guardrails"], "msg": reason, "type": "missing"}])
    try:
        return combined([_stored(one, services) for one in ids]), ids
    except ConfigError as error:
        raise _refusal(error, "guardrails", "config_ids") from None


def _stored(config_id: str, services: Services) -> ConfigData:
    namespace, _, name = config_id.rpartition("/")
    entity = services.entities.get(KIND, namespace or "default", name)
    data = entity.get("data") or data_behind(entity.get("files_url") or "")
    return _read(data, services, "guardrails", "config_id")


def _read(data: Any, services: Services, *place: str) -> ConfigData:
    try:
        return services.guard.read_config(data)
    except ConfigError as error:
        raise _refusal(error, *place) from None


def _refusal(error: ConfigError, *place: str) -> ApiError:
    loc = ["body", *place, *error.place]
    return ApiError(422, [{"loc": loc, "msg": error.reason, "type": "value_error"}])


def _open(
    body: GuardedBody, messages: list[dict[str, Any]], services: Services, key: str | None
) -> tuple[GuardedChat, list[str]]:
    """A chat whose question, and answer where configured, is checked. Raises `ApiError`, and the engine's errors."""
    config, ids = chosen_config(body.guardrails, services)
    rails = body.guardrails.options.rails.model_dump()
    messages = body.guardrails.after_state(messages)
    guarded = GuardedChat(services.guard, services.engine, config, body.model, messages, body.sampling, rails, key)
    try:
        return guarded.open(), ids
    except CheckUnreadable as error:
        raise ApiError(FAILED_DEPENDENCY, str(error)) from None
    except ConfigError as error:
        raise _refusal(error, "guardrails") from None
