"""Fixture of the notebook tests: one reader for all of them, since each notebook builds on what the last one left."""

from collections.abc import Iterator

import pytest

from tests.conftest import start_server, stop_server, wait_until_ready
from tests.reader import Reader


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader with a fresh folder and a fresh server."""
    server = start_server(tmp_path_factory.mktemp("state"))
    wait_until_ready(server)
    reader = Reader(tmp_path_factory.mktemp("reader"), server)
    reader.prepare()
    yield reader
    stop_server(server)
