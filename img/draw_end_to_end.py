"""Draws img/end-to-end-diagram.png: what travels between the notebooks and the NeMo services.

Orange boxes are the notebooks; below them the services, which are the same on a cluster and in
local_nemo. Blue stores, green works, violet answers.
Run as: python img/draw_end_to_end.py [folder]
"""

import sys
from pathlib import Path

from drawing import INK, arrow, box, card, label, save

WIDTH, HEIGHT = 13.0, 6.85
COLUMNS = (0.4, 3.65, 6.9, 10.15)
BOX = 2.45
NOTEBOOKS = (
    ("1  Prepare the data", "checks and converts rows,\nsplits them 70 / 15 / 15"),
    ("2  Fine-tune and infer", "uploads, has an adapter\ntrained, asks both models"),
    ("3  Evaluate", "compares base and tuned\nmodel on unseen rows"),
    ("4  Add guardrails", "guards requests, calls\nand tool results"),
)


def draw(folder: Path) -> Path:
    """Writes end-to-end-diagram.png into `folder` and returns its path."""
    axes = card(WIDTH, HEIGHT)
    box(axes, 0.15, 0.15, WIDTH - 0.3, 4.8, "grey", "", " ")
    label(axes, 0.4, 0.62, "NeMo Microservices on a cluster\nor local_nemo on this machine:\nthe same HTTP requests",
          align="left", size=10, colour=INK)
    _boxes(axes)
    _arrows(axes)
    return save(axes, folder / "end-to-end-diagram.png")


def _boxes(axes) -> None:
    one, two, three, four = COLUMNS
    for x, (title, text) in zip(COLUMNS, NOTEBOOKS, strict=True):
        box(axes, x, 5.65, BOX, 0.98, "orange", title, text)
    box(axes, one, 3.45, BOX, 1.2, "sky", "Data Store", "holds the files: training,\nvalidation and test rows,\nadapters")
    box(axes, one, 1.25, BOX, 1.2, "sky", "Entity Store", "knows datasets and\nmodels by namespace\nand name")
    box(axes, two, 3.45, BOX, 1.2, "green", "Customizer", "trains a LoRA adapter,\nreports loss, steps and\nstate")
    box(axes, three, 3.45, BOX, 1.2, "green", "Evaluator", "has a model answer the\ntest rows and scores the\ntool calls")
    box(axes, four, 3.45, BOX, 1.2, "green", "Guardrails", "lets a request through\nonly if the safety model\ncalls it safe")
    box(axes, two, 1.25, three + BOX - two, 1.2, "purple", "NIM for the language model",
        "serves the base model and, beside it, every adapter\nunder its own name; takes tools, returns tool calls")
    box(axes, four, 1.25, BOX, 1.2, "purple", "Content-safety NIM", "judges one message:\nsafe or unsafe, and why")
    box(axes, two, 0.32, four + BOX - two, 0.45, "grey", "Deployment Management: starts and stops the NIMs")


def _arrows(axes) -> None:
    one, two, three, four = COLUMNS
    for left, right in zip(COLUMNS, COLUMNS[1:], strict=False):
        arrow(axes, (left + BOX, 6.15), (right, 6.15))
    label(axes, one + BOX + 0.4, 6.33, "files", size=8.5)
    label(axes, two + BOX + 0.4, 6.33, "model", size=8.5)
    label(axes, three + BOX + 0.4, 6.33, "model", size=8.5)

    arrow(axes, (two + 0.4, 5.65), (one + 2.0, 4.65))
    label(axes, one + 2.62, 5.3, "upload", align="right")
    for x, text in ((two, "job"), (three, "job"), (four, "config, check")):
        arrow(axes, (x + 1.4, 5.65), (x + 1.4, 4.65))
        label(axes, x + 1.5, 5.3, text, align="left")

    arrow(axes, (one + BOX, 4.05), (two, 4.05))
    label(axes, one + BOX + 0.4, 4.2, "rows", size=8.5)
    arrow(axes, (one + 1.2, 2.45), (one + 1.2, 3.45))
    label(axes, one + 1.3, 2.95, "points to", align="left")
    arrow(axes, (two + 0.25, 3.45), (one + BOX, 2.2))
    label(axes, two - 0.12, 2.66, "registers", align="left")
    arrow(axes, (two + 1.5, 3.45), (two + 1.5, 2.45))
    label(axes, two + 1.6, 2.95, "adapter", align="left")
    arrow(axes, (three + 1.0, 3.45), (three + 1.0, 2.45))
    label(axes, three + 0.9, 2.95, "question, tools", align="right")
    arrow(axes, (three + 1.4, 2.45), (three + 1.4, 3.45))
    label(axes, three + 1.5, 2.95, "tool call", align="left")
    arrow(axes, (four + 0.25, 3.45), (three + BOX, 2.2))
    label(axes, four - 0.08, 2.66, "if safe", align="left")
    arrow(axes, (four + 1.5, 3.45), (four + 1.5, 2.45))
    label(axes, four + 1.6, 2.95, "message", align="left")
    for x in (two + 2.85, four + 1.2):
        arrow(axes, (x, 0.77), (x, 1.25))


if __name__ == "__main__":
    print(draw(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent))
