"""Draws img/tool-use.png: one question, one tool call, one answer.

The example is the one that notebook 2 asks before and after the training.
Run as: python img/draw_tool_use.py [folder]
"""

import sys
from pathlib import Path

from drawing import MONO, Box, arrow, box, card, label, number, save

# fmt: off
BOXES = (
    Box(0.25, 3.02, 2.75, 1.13, "orange", "Question", "What will the weather be\nin Berlin on November 7,\n2025?"),
    Box(0.25, 1.55, 2.75, 1.13, "sky", "Tools on offer", "get_weather(\n  location: string,\n  date: string)", MONO),
    Box(3.85, 2.25, 1.70, 1.13, "purple", "Model", "picks a tool, fills\nin its arguments\nfrom the question"),
    Box(6.40, 2.82, 2.75, 1.33, "green", "Tool call",
        'name: get_weather\narguments:\n  location: "Berlin"\n  date: "2025-11-07"', MONO),
    Box(6.40, 0.25, 2.75, 1.13, "sky", "Tool result",
        '{"temperature_c": 9,\n "conditions": "rain",\n "wind_kmh": 22}', MONO),
    Box(0.25, 0.25, 2.75, 0.93, "orange", "Answer", "Rain is expected in Berlin\nthat day, at about 9 °C."),
)
# fmt: on


def draw(folder: Path) -> Path:
    """Writes tool-use.png into `folder` and returns its path."""
    axes = card(9.4, 4.4)
    for shape in BOXES:
        box(axes, shape)

    arrow(axes, (3.0, 3.5), (3.85, 3.1))
    arrow(axes, (3.0, 2.12), (3.85, 2.5))
    arrow(axes, (5.55, 2.95), (6.4, 3.35))
    arrow(axes, (7.77, 2.82), (7.77, 1.38))
    arrow(axes, (6.4, 0.8), (5.1, 2.25), bend=-0.2)
    arrow(axes, (4.4, 2.25), (3.0, 0.7), bend=-0.2)

    number(axes, 3.43, 3.52, "1")
    number(axes, 5.9, 3.36, "2")
    number(axes, 7.77, 2.1, "3")
    number(axes, 5.42, 1.28, "4")
    number(axes, 4.1, 1.28, "5")
    label(axes, 8.0, 2.1, "your application\nruns the tool", align="left")
    label(axes, 4.7, 0.42, "The result returns with question\nand call; then comes the wording.")
    return save(axes, folder / "tool-use.png")


if __name__ == "__main__":
    print(draw(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent))
