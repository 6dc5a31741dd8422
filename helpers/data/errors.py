"""What can go wrong before a dataset is a list of rows.

    DatasetError            (helpers.errors)
    ├── UnknownDataset      DATASET names nothing that exists
    ├── GatedDataset        the hub asks for a token that has access
    ├── UnreadableData      a file is there but a line of it (named) is not what it should be
    └── EmptyDataset        nothing is left to train on

A *row* that is wrong raises nothing: it is counted in the report as dropped, with its reason. See convert.py.
"""

from helpers.errors import DatasetError

__all__ = ["DatasetError", "EmptyDataset", "GatedDataset", "UnknownDataset", "UnreadableData"]


class UnknownDataset(DatasetError):
    """DATASET names nothing that exists here or on the hub."""


class GatedDataset(DatasetError):
    """The hub has the dataset but not for this token."""


class UnreadableData(DatasetError):
    """A file cannot be read as JSON lines; the message names file and line."""


class EmptyDataset(DatasetError):
    """No row, or no usable row, is left."""
