"""What the notebooks import: small modules, each a handful of verbs.

    platform, http, retry, errors       where the services are, how they are called, what can go wrong
    data                                from raw rows to the files of notebook 1
    data_store, entity_store            files, and the objects that point at them
    customizer, jobs, tracking          LoRA training, waiting for jobs, curves in Weights & Biases
    nim, deployments, weather           asking models, starting them, the question the tutorial asks
    evaluator, evaluate, external       scoring models: in notebook 3, with `make evaluate`, at other endpoints
    records, scores, mistakes, ask_rows the raw answers of an evaluation, and what follows from them
    statistics, tables, plots           how sure a number is, and how it is shown
    text_table                          a table of sentences, wrapped
    conclusion, history                 what the numbers say in sentences, and how they are kept
    guardrails, safety_policy           configurations and checks of messages, and the policy behind them
    call_rails, call_policy, injection  may this call run, may this result be believed
    guarded_call, guard_prompts         one request guarded at every step; how well the guard works
    state, progress, doctor             hand-over between notebooks, the line that moves, what is missing
    series, readme                      `make run` and the figures in the README

Contract: a verb takes the platform first and keyword-only options after its object, returns plain data, and raises one
of `helpers.errors`. Everything here speaks HTTP to NeMo Microservices; nothing knows how a service works inside.
"""

import os
import warnings

# Else every program that uses the Hub's client, even for the Data Store alone, asks huggingface.co for a list.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
# Libraries below would like Jupyter widgets for their bars, and say so with a path of this machine in it.
warnings.filterwarnings("ignore", message="IProgress not found")

__all__ = [
    "ask_rows",
    "call_policy",
    "call_rails",
    "conclusion",
    "customizer",
    "data",
    "data_store",
    "deployments",
    "doctor",
    "entity_store",
    "errors",
    "evaluate",
    "evaluator",
    "external",
    "guard_prompts",
    "guarded_call",
    "guardrails",
    "history",
    "http",
    "injection",
    "jobs",
    "mistakes",
    "nim",
    "platform",
    "plots",
    "progress",
    "readme",
    "records",
    "retry",
    "safety_policy",
    "scores",
    "series",
    "state",
    "statistics",
    "tables",
    "text_table",
    "tracking",
    "weather",
]
