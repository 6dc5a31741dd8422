"""The parts of a running server, wired together once.

Data flows one way: `api` parses a request and calls these objects; none of them knows of HTTP routes.
"""

from dataclasses import dataclass

from local_nemo.evaluation.runner import Evaluations
from local_nemo.guard import Guard
from local_nemo.jobs.adapters import Adapters
from local_nemo.jobs.queue import Jobs
from local_nemo.lm.engine import Engine
from local_nemo.settings import Settings
from local_nemo.store.entities import Entities
from local_nemo.store.repos import Files


@dataclass(frozen=True)
class Services:
    """One instance each; `start` order is top to bottom, `stop` order the reverse."""

    settings: Settings
    entities: Entities
    files: Files
    engine: Engine
    adapters: Adapters
    guard: Guard
    jobs: Jobs
    evaluations: Evaluations
