"""The language model: base weights, prompt, LoRA training, generation, tool-call parsing.

Nothing in here knows HTTP, the store or the job queue. Importing this package is cheap: modules that need torch,
transformers or OpenVINO import them themselves, so a part that needs only the prompt does not pay for the engine.
"""
