"""Evaluates the rows of one task: render, ask, score, record; many rows at once, each on its own.

Whatever goes wrong with a row is written into its record, and the next row is asked. Nothing here knows of jobs.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from typing import Any

from local_nemo.evaluation.ask import Asker, NoAnswer
from local_nemo.evaluation.metric import RowError
from local_nemo.evaluation.plan import Plan, Task
from local_nemo.evaluation.records import Record, output_text
from local_nemo.evaluation.renderer import Renderer, RenderError
from local_nemo.evaluation.rows import Row


async def evaluate_rows(
    task: Task,
    rows: Iterable[tuple[int, Row]],
    *,
    asker: Asker | None,
    renderer: Renderer,
    parallelism: int,
    on_record: Callable[[Record], None],
) -> None:
    """Call `on_record` once for every (index, row), in the order in which they finish."""
    waiting = iter(rows)

    async def work() -> None:
        for index, row in waiting:  # all workers draw from one iterator
            on_record(await evaluate_row(task, index, row, asker, renderer))

    async with asyncio.TaskGroup() as workers:
        for _ in range(parallelism):
            workers.create_task(work())


async def evaluate_row(task: Task, index: int, row: Row, asker: Asker | None, renderer: Renderer) -> Record:
    """The finished record of one row."""
    record = Record(task.name, index, row)
    try:
        if asker is None:
            sample = stored_sample(row)
            record.asked(row)
        else:
            sample = await _ask(task, record, asker, renderer)
        if isinstance(sample["response"], dict):
            record.answered(sample["response"])
    except (RenderError, NoAnswer) as error:
        record.failed(f"{'request' if isinstance(error, NoAnswer) else 'template'}: {error}")
        return record
    for metric in task.metrics:
        try:
            value = await _render(renderer, metric.template, row, sample)
            if metric.type.is_truth:
                record.truth = value
            for name, score in metric.type.score(value, sample).items():
                record.scores[task.score_key(metric, name)] = score
        except (RenderError, RowError) as error:
            record.failed(f"metric {metric.name}: {error}")
    return record


def stored_sample(row: Row) -> dict[str, Any]:
    """The answer that a row carries itself: a chat completion in `response`, or text in `output_text`."""
    response = row.get("response")
    text = output_text(response) if isinstance(response, dict) else row.get("output_text", response)
    return {"response": response if isinstance(response, dict) else None, "output_text": text}


async def _ask(task: Task, record: Record, asker: Asker, renderer: Renderer) -> dict[str, Any]:
    body = await _render(renderer, task.template, record.item, {})
    record.asked(body)
    answer = await asker.ask(task.type, body)
    record.latency_s, record.attempts = round(answer.latency_s, 4), answer.attempts
    return {"response": answer.response, "output_text": output_text(answer.response)}


async def _render(renderer: Renderer, template: Any, row: Row, sample: dict[str, Any]) -> Any:
    context = {**row, **sample, "item": row, "sample": sample}
    return await asyncio.to_thread(renderer.render, template, context)


async def evaluate_plan(
    plan: Plan,
    rows_of: Callable[[Task], Iterable[tuple[int, Row]]],
    *,
    on_task: Callable[[Task, str], None],
    on_record: Callable[[Record], None],
) -> None:
    """All tasks of a plan, one after the other; `on_task` hears "running" and "completed"."""
    params = plan.params
    async with AsyncExitStack() as open_things:
        renderer = open_things.enter_context(Renderer())
        asker = None
        if plan.endpoint:
            asker = Asker(
                plan.endpoint,
                timeout_s=params.request_timeout,
                max_retries=params.max_retries,
                requests_per_minute=params.requests_per_minute,
            )
            await open_things.enter_async_context(asker)
        for task in plan.tasks:
            on_task(task, "running")
            asks = asker if task.template is not None else None
            workers = params.parallelism
            await evaluate_rows(
                task, rows_of(task), asker=asks, renderer=renderer, parallelism=workers, on_record=on_record
            )
            on_task(task, "completed")
