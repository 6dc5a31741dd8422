"""Draws img/end-to-end-diagram.png: what travels between the notebooks and the NeMo services.

Orange boxes are the notebooks; below them the services, which are the same on a cluster and in
local_nemo. Blue stores, green works, violet answers.
Run as: python img/draw_end_to_end.py [folder]
"""

import sys
from pathlib import Path

from drawing import Box, arrow, box, card, label, save

WIDTH = 2.45  # of a column
ONE, TWO, THREE, FOUR = 0.4, 3.65, 6.9, 10.15  # left edges of the columns

# fmt: off
BOXES = (
    Box(0.15, 0.15, 12.7, 4.8, "grey"),
    Box(ONE, 5.65, WIDTH, 0.98, "orange", "1  Prepare the data", "checks, converts, splits\nthe rows 70 / 15 / 15"),
    Box(TWO, 5.65, WIDTH, 0.98, "orange", "2  Fine-tune and infer", "uploads, has an adapter\ntrained, asks it"),
    Box(THREE, 5.65, WIDTH, 0.98, "orange", "3  Evaluate", "compares base and tuned\nmodel on unseen rows"),
    Box(FOUR, 5.65, WIDTH, 0.98, "orange", "4  Add guardrails", "guards requests, calls\nand tool results"),
    Box(ONE, 3.45, WIDTH, 1.2, "sky", "Data Store", "holds files: training,\nvalidation and test rows,\nadapters"),
    Box(ONE, 1.25, WIDTH, 1.2, "sky", "Entity Store", "knows datasets and\nmodels by namespace\nand name"),
    Box(TWO, 3.45, WIDTH, 1.2, "green", "Customizer", "trains a LoRA adapter,\nreports loss, steps and\nstate"),
    Box(THREE, 3.45, WIDTH, 1.2, "green", "Evaluator", "has a model answer the\ntest rows and scores the\ntool calls"),
    Box(FOUR, 3.45, WIDTH, 1.2, "green", "Guardrails", "lets a request pass only\nif the safety model\ncalls it safe"),
    Box(TWO, 1.25, THREE + WIDTH - TWO, 1.2, "purple", "NIM for the language model",
        "serves the base model and, beside it, every adapter\nunder its own name; takes tools, returns tool calls"),
    Box(FOUR, 1.25, WIDTH, 1.2, "purple", "Content-safety NIM", "judges one message:\nsafe or unsafe, and why"),
    Box(TWO, 0.32, FOUR + WIDTH - TWO, 0.45, "grey", "Deployment Management: starts and stops the NIMs"),
)
# fmt: on


def draw(folder: Path) -> Path:
    """Writes end-to-end-diagram.png into `folder` and returns its path."""
    axes = card(13.0, 6.85)
    for shape in BOXES:
        box(axes, shape)
    _between_notebooks_and_services(axes)
    _between_services(axes)
    place = "NeMo Microservices on a cluster\nor local_nemo on this machine:\nthe same HTTP requests"
    label(axes, ONE, 0.68, place, align="left", size=9.5)
    return save(axes, folder / "end-to-end-diagram.png")


def _between_notebooks_and_services(axes) -> None:
    for left, right, text in ((ONE, TWO, "files"), (TWO, THREE, "model"), (THREE, FOUR, "model")):
        arrow(axes, (left + WIDTH, 6.15), (right, 6.15))
        label(axes, left + WIDTH + 0.4, 6.33, text, size=8.5)
    arrow(axes, (TWO + 0.4, 5.65), (ONE + 2.0, 4.65))
    label(axes, ONE + 2.62, 5.3, "upload", align="right")
    for x, text in ((TWO, "job"), (THREE, "job"), (FOUR, "config, check")):
        arrow(axes, (x + 1.4, 5.65), (x + 1.4, 4.65))
        label(axes, x + 1.5, 5.3, text, align="left")


def _between_services(axes) -> None:
    arrow(axes, (ONE + WIDTH, 4.05), (TWO, 4.05))
    label(axes, ONE + WIDTH + 0.4, 4.2, "rows", size=8.5)
    arrow(axes, (ONE + 1.2, 2.45), (ONE + 1.2, 3.45))
    label(axes, ONE + 1.3, 2.95, "points to", align="left")
    arrow(axes, (TWO + 0.25, 3.45), (ONE + WIDTH, 2.2))
    label(axes, TWO - 0.12, 2.66, "registers", align="left")
    arrow(axes, (TWO + 1.5, 3.45), (TWO + 1.5, 2.45))
    label(axes, TWO + 1.6, 2.95, "adapter", align="left")
    arrow(axes, (THREE + 1.0, 3.45), (THREE + 1.0, 2.45))
    label(axes, THREE + 0.9, 2.95, "question, tools", align="right")
    arrow(axes, (THREE + 1.4, 2.45), (THREE + 1.4, 3.45))
    label(axes, THREE + 1.5, 2.95, "tool call", align="left")
    arrow(axes, (FOUR + 0.25, 3.45), (THREE + WIDTH, 2.2))
    label(axes, FOUR - 0.08, 2.66, "if safe", align="left")
    arrow(axes, (FOUR + 1.5, 3.45), (FOUR + 1.5, 2.45))
    label(axes, FOUR + 1.6, 2.95, "message", align="left")
    for x in (TWO + 2.85, FOUR + 1.2):
        arrow(axes, (x, 0.77), (x, 1.25))


if __name__ == "__main__":
    print(draw(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent))
