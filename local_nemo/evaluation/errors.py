"""What can be wrong with an evaluation before its first row.

    EvaluationRefused     the config or target can't be evaluated here; the text says what can
    └── EvaluationMissing it names something that doesn't exist; the text says what does

What goes wrong with one row is `metric.RowError`, `renderer.RenderError` or `ask.NoAnswer`: recorded, and the next row
is asked.
"""


class EvaluationRefused(ValueError):
    """The request is understood and can't be done (HTTP 422)."""


class EvaluationMissing(EvaluationRefused):
    """The request names a dataset, file or model that isn't there (HTTP 404)."""
