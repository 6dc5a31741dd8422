"""What the notebooks import: one small module per service or job, each a handful of verbs.

    platform.connect(config)            the three URLs, local or on a cluster
    data_store, entity_store            files and the objects that point at them
    customizer, jobs                    LoRA training, waiting for jobs
    nim, evaluator, guardrails          ask, score and guard a model
    deployments, doctor                 what is running, what is missing
    state, progress, tracking, errors   the hand-over between notebooks, the bar, W&B, what can go wrong

Contract: a verb takes the platform first and keyword-only options after its object, returns plain data, and raises one
of `helpers.errors`. Everything here speaks HTTP to NeMo Microservices; nothing knows how a service works inside.
"""
