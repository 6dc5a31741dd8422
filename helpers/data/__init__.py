"""From raw tool-calling data to files that NeMo Customizer and NeMo Evaluator take.

    rows = data.load_rows(config.DATASET, token=config.HF_TOKEN)
    prepared = data.prepare(rows, seed=config.SEED)
    data.write(prepared, config.DATA_DIR)

Every row ends as kept, repaired or dropped, and the report says how or why. Nothing here talks to NeMo Microservices.
"""

from helpers.data.added import with_added
from helpers.data.convert import ConvertedRow, convert
from helpers.data.errors import DatasetError, EmptyDataset, GatedDataset, UnknownDataset, UnreadableData
from helpers.data.files import write
from helpers.data.held_out import asks_the_example
from helpers.data.prepare import Prepared, convert_rows, prepare, sample
from helpers.data.raw import Dropped
from helpers.data.report import Report
from helpers.data.show import before_and_after, example, shortest_row
from helpers.data.sources import load_rows
from helpers.data.splits import split
from helpers.data.types import parse_type

__all__ = [
    "ConvertedRow",
    "DatasetError",
    "Dropped",
    "EmptyDataset",
    "GatedDataset",
    "Prepared",
    "Report",
    "UnknownDataset",
    "UnreadableData",
    "asks_the_example",
    "before_and_after",
    "convert",
    "convert_rows",
    "example",
    "load_rows",
    "parse_type",
    "prepare",
    "sample",
    "shortest_row",
    "split",
    "with_added",
    "write",
]
