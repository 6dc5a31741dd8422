"""NIM: OpenAI-compatible inference, mounted under `/nim`.

Parses requests, asks the engine, shapes answers and streams. A client that leaves frees its place in the engine.
Errors of the engine are raised through to the application's handler, as everywhere; `error_bodies` has their shape.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from local_nemo.api import classification, embeddings
from local_nemo.api import nim_answers as answers
from local_nemo.api.classification import ClassifyBody, ClassList
from local_nemo.api.context import Context
from local_nemo.api.embeddings import EmbeddingBody, EmbeddingList
from local_nemo.api.entity_routes import ok
from local_nemo.api.errors import NIM_DOCUMENTED
from local_nemo.api.model_errors import error_event
from local_nemo.api.nim_bodies import ChatBody, CompletionBody
from local_nemo.api.nim_schemas import ChatCompletion, NimHealth, ServedModelCard, ServedModels, TextCompletion
from local_nemo.lm.chat import ChatRequest
from local_nemo.lm.errors import LanguageModelError, ModelNotServed
from local_nemo.lm.generation import Completion, Generation
from local_nemo.lm.tool_calls import StreamParser

router = APIRouter(tags=["NIM"], responses=NIM_DOCUMENTED)


@router.get(
    "/v1/models",
    summary="The models served now: base, adapters, safety model, the one that embeds",
    responses=ok(ServedModels),
)
def models(services: Context) -> dict[str, Any]:
    return {"object": "list", "data": [answers.model_card(card) for card in services.engine.models()]}


@router.get("/v1/models/{model_id:path}", summary="One served model", responses=ok(ServedModelCard))
def model(model_id: str, services: Context) -> Response:
    cards = {card.id: card for card in services.engine.models()}
    if model_id in cards:
        return JSONResponse(answers.model_card(cards[model_id]))
    raise ModelNotServed(model_id, list(cards))


@router.get("/v1/health/live", summary="The process answers", responses=ok(NimHealth))
def live() -> dict[str, str]:
    return {"object": "health-response", "message": "Service is live."}


@router.get(
    "/v1/health/ready",
    summary="The base model is loaded",
    responses={200: {"model": NimHealth}, 503: {"model": NimHealth, "description": "Not yet, or no more"}},
)
def ready(services: Context) -> Response:
    if services.engine.ready:
        return JSONResponse({"object": "health-response", "message": "Service is ready."})
    reason = services.engine.failure or "the model is loading"
    return JSONResponse({"object": "health-response", "message": f"Service is not ready: {reason}."}, 503)


@router.get("/v1/metrics", summary="Counters in Prometheus' text format", response_class=PlainTextResponse)
def metrics(services: Context) -> PlainTextResponse:
    text = answers.prometheus(services.engine.load_figures())
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


@router.post(
    "/v1/chat/completions",
    summary="Answer a conversation, with tools if given",
    responses=ok(ChatCompletion),
)
async def chat_completions(body: ChatBody, request: Request, services: Context) -> Response:
    asked = body.to_requests()
    generations = await run_in_threadpool(_begun, services.engine.chat, asked)
    head = answers.head("chat.completion", body.model)
    if body.stream:
        events = _chat_events(generations, asked[0], head | {"object": "chat.completion.chunk"}, body)
        return _stream(events, request.url.path)
    return await _finished(request, generations, lambda done: answers.chat(head, done, body.logprobs or False))


@router.post("/v1/completions", summary="Continue a text", responses=ok(TextCompletion))
async def completions(body: CompletionBody, request: Request, services: Context) -> Response:
    asked = body.to_requests()
    generations = await run_in_threadpool(_begun, services.engine.complete, asked)
    head = answers.head("text_completion", body.model)
    if body.stream:
        return _stream(_text_events(generations, head, body), request.url.path)
    prompts = [str(one.prompt) if body.echo else "" for one in asked]
    return await _finished(
        request, generations, lambda done: answers.text(head, done, prompts, body.logprobs, body.n or 1)
    )


@router.post("/v1/embeddings", summary="The vectors of texts", responses=ok(EmbeddingList))
def embed(body: EmbeddingBody, services: Context) -> Response:
    return JSONResponse(embeddings.answer(body, services.engine.embed(body.to_request())))


@router.post(
    "/v1/classify", summary="The classes of texts: the safety model's safe and unsafe", responses=ok(ClassList)
)
def classify(body: ClassifyBody, services: Context) -> Response:
    return JSONResponse(classification.answer(body.model, services.engine.classify(body.model, body.texts())))


def _begun(ask: Callable[[Any], Generation], asked: list[Any]) -> list[Generation]:
    """All choices of a request, or none: what was begun before one is refused holds no place in the queue."""
    begun: list[Generation] = []
    try:
        for one in asked:
            begun.append(ask(one))
    except LanguageModelError:
        for generation in begun:
            generation.cancel()
        raise
    return begun


async def _finished(request: Request, generations: list[Generation], shape: Any) -> Response:
    """Wait for all choices, or cancel them when the client leaves."""
    leaving = asyncio.create_task(_left(request))
    waiting = asyncio.gather(*(asyncio.wrap_future(one.future) for one in generations))
    try:
        ends: set[asyncio.Future[Any]] = {leaving, waiting}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            return Response(status_code=499)  # nobody reads it
        return JSONResponse(shape(waiting.result()))
    finally:
        leaving.cancel()
        for one in generations:
            one.cancel()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)  # else asyncio logs that nobody looked at its end


async def _left(request: Request) -> None:
    """Wait until the client closes the connection (its body was read before)."""
    while (await request.receive())["type"] != "http.disconnect":
        continue


def _stream(events: AsyncIterator[dict[str, Any]], path: str) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        try:
            async for event in events:
                yield f"data: {json.dumps(event, ensure_ascii=False)}\n\n"
        except LanguageModelError as error:
            yield error_event(path, error)
            return
        yield "data: [DONE]\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})


async def _chat_events(
    generations: list[Generation], asked: ChatRequest, head: dict, body: ChatBody
) -> AsyncIterator[dict[str, Any]]:
    """Chunks as the openai client assembles them; choices one after the other in one stream."""
    tools = asked.tools if asked.choice != "none" else None
    done: list[Completion] = []
    try:
        for index, generation in enumerate(generations):
            yield answers.chat_chunk(head, index, {"role": "assistant", "content": ""})
            parser = StreamParser(tools)
            ids: dict[int, str] = {}
            async for piece in generation:
                for delta in parser.feed(piece) if tools else [piece]:
                    yield answers.chat_chunk(head, index, answers.delta(delta, ids))
            for delta in parser.finish() if tools else ():
                yield answers.chat_chunk(head, index, answers.delta(delta, ids))
            completion = generation.result()
            done.append(completion)
            yield answers.chat_chunk(head, index, {}, completion.finish_reason, completion, body.logprobs or False)
        if body.include_usage:
            yield head | {"choices": [], "usage": answers.usage(done)}
    finally:
        for generation in generations:
            generation.cancel()


async def _text_events(
    generations: list[Generation], head: dict, body: CompletionBody
) -> AsyncIterator[dict[str, Any]]:
    done: list[Completion] = []
    try:
        for index, generation in enumerate(generations):
            async for piece in generation:
                yield head | {"choices": [answers.text_choice(index, piece)]}
            done.append(generation.result())
            yield head | {"choices": [answers.text_choice(index, "", done[-1].finish_reason)]}
        if body.include_usage:
            yield head | {"choices": [], "usage": answers.usage(done, body.n or 1)}
    finally:
        for generation in generations:
            generation.cancel()
