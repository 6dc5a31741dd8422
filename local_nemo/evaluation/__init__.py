"""The Evaluator's inside: metrics, templates, asking a model row by row, results. No HTTP routes in here."""
