"""A DataFrame whose cells are sentences: shown in full, wrapped, with columns aligned to the left.

pandas cuts texts at 50 characters, or lets one long cell push the table off the page, and aligns words like numbers.
`TextTable` changes how a frame is shown, as HTML and as plain text, and nothing else; a numbering that only counts rows
is left out.
"""

import re
from textwrap import wrap

import pandas

LINE = 44  # characters of one cell on one line of plain text
LEFT = "text-align:left;vertical-align:top;white-space:normal;overflow-wrap:break-word"


class TextTable(pandas.DataFrame):
    """Make it from whatever makes a DataFrame."""

    @property
    def _constructor(self) -> type["TextTable"]:
        return TextTable

    def _repr_html_(self) -> str:
        with pandas.option_context("display.max_colwidth", None):
            html = self._flat().to_html(index=False, border=0)
        return re.sub(r"<(t[hd])>", rf'<\1 style="{LEFT}">', html)  # the cells' own "<" are escaped

    def __repr__(self) -> str:
        """Columns of at most LINE characters, a cell on as many lines as it needs."""
        frame = self._flat()
        rows = [[str(name) for name in frame], *(list(map(str, row)) for row in frame.itertuples(index=False))]
        cells = [[wrap(text, LINE) or [""] for text in row] for row in rows]
        widths = [max(len(line) for cell in column for line in cell) for column in zip(*cells, strict=True)]
        return "\n".join(_lines(row, widths) for row in cells)

    def _flat(self) -> pandas.DataFrame:
        """The index as columns, unless it has no name and only counts."""
        frame = pandas.DataFrame(self)
        if isinstance(self.index, pandas.RangeIndex):
            return frame
        return frame.reset_index(names=[name or "" for name in self.index.names])


def _lines(row: list[list[str]], widths: list[int]) -> str:
    height = max(map(len, row))
    filled = ([*cell, *[""] * (height - len(cell))] for cell in row)
    lines = zip(*filled, strict=True)
    return "\n".join(
        "  ".join(f"{text:{width}}" for text, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
