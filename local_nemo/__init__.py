"""A NeMo that fits on one machine.

One process serves the HTTP API of the NeMo Microservices that the tutorial uses (Data Store, Entity Store,
Customizer, Evaluator, Guardrails, Deployment Management, NIM) and really does the work behind it: it stores files,
trains LoRA adapters, serves, scores and guards a small language model on the CPU, offline.

It knows nothing of the tutorial's notebooks, `helpers` or `config.py`. Start it with `python -m local_nemo`.
"""

__version__ = "0.1.0"
