"""What local_nemo promises, the faults that its tests try, and the record of how many were survived.

    for _ in range(KILL_STORING.size):
        with KILL_STORING.trial():      # counts as tried, and as survived if the block ends without an error
            ...

Sizes: `ci` in `make test`; with the environment variable TORTURE a share of `full` (1 is all of it). With FAULT_RECORD
set to a file, a test session writes its counts there: a fault that it did not try keeps its older entry. The section of
docs/compatibility.md is made of that record alone.
"""

import json
import os
import platform
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

RECORD = Path(__file__).resolve().parent.parent / "results" / "torture.json"
SHARE = float(os.environ.get("TORTURE") or 0)
_tried: Counter[str] = Counter()
_survived: Counter[str] = Counter()


@dataclass(frozen=True)
class Fault:
    """A kind of fault, under the number of the promise that it tests; how often it is tried in CI and in full."""

    promise: int
    name: str
    ci: int
    full: int

    @property
    def size(self) -> int:
        """How often this session tries it."""
        return max(self.ci, round(self.full * SHARE))

    @contextmanager
    def trial(self, count: int = 1) -> Iterator[None]:
        """Something that happens `count` times within the block."""
        _tried[self.name] += count
        try:
            yield
        except KeyboardInterrupt:  # ended from outside: nothing was found out
            _tried[self.name] -= count
            raise
        _survived[self.name] += count


PROMISES = {
    1: "**Crash.** What was acknowledged is there after `kill -9`, nothing half-written is visible, hashes verify. "
    "Trainings go on from their last checkpoint, evaluations ask no finished row again, waiting jobs run. SIGTERM ends "
    "the server within 10 s. A second server on a state folder is refused with the first one's pid.",
    2: "**Storage and memory.** On a full or read-only disk and without memory a request or job fails with the reason; "
    "what is stored stays intact and the server lives.",
    3: "**Many clients.** Of clients that create one name one wins and the others get a 409; parallel uploads all "
    "land; 64 chats at once are answered; past a bounded queue the answer is 429 with `Retry-After`. A slow or "
    "vanished client holds up no other. Cancelling works in every state within 5 s.",
    4: "**Bad input.** Nothing that a client sends ends in a 5xx, a hang or a traceback.",
    5: "**Hostile input.** The server listens on loopback, checks Host and Origin, sends no CORS headers, unpickles "
    "nothing, keeps paths and templates inside their bounds and calls no host that its settings do not allow.",
    6: "**Secrets.** No key is in a log, the database, the state, a result, a notebook or an error message. Nothing "
    "leaves the machine unasked: not even the question for a host's address.",
    7: "**A bad network.** The helpers repeat what may be repeated, with growing pauses, and fail at once where it may "
    "not, saying what happened and what to do. Every call ends.",
    8: "**Long use.** Running the tutorial again and again on one state makes neither memory nor open files grow.",
}

KILL_STORING = Fault(1, "`kill -9` of the server while clients commit files and write entities", 20, 120)
KILL_EVALUATING = Fault(1, "`kill -9` of the server in the middle of evaluations", 3, 40)
KILL_TRAINING = Fault(1, "`kill -9` of server or worker in the middle of a training", 3, 40)
TERMINATE = Fault(1, "SIGTERM while a training, an evaluation and chats run", 1, 10)
FULL_DISK = Fault(2, "full disk: uploads, bodies without a length, a training", 3, 3)
READ_ONLY = Fault(2, "state folder that is or becomes read-only", 2, 2)
NO_MEMORY = Fault(2, "training worker without memory", 1, 5)
SAME_NAME = Fault(3, "64 clients create the same name at once", 8, 160)
PARALLEL_UPLOADS = Fault(3, "uploads to one repository at once", 16, 256)
CHATS = Fault(3, "chats, 64 at once", 128, 6400)
FULL_QUEUE = Fault(3, "chats beyond the queue: 429 with `Retry-After`", 1, 50)
SLOW_CLIENTS = Fault(3, "clients that stall in the middle of a request or never read their answer", 64, 640)
CANCELS = Fault(3, "cancels: waiting, starting, training, evaluating, chatting", 10, 100)
GENERATED = Fault(4, "requests generated from the OpenAPI description", 240, 10_000)
ODD_PATHS = Fault(4, "odd paths on the Hub's routes", 100, 5000)
ODD_BODIES = Fault(4, "odd values in commits, JSON bodies and queries", 500, 15_000)
ODD_LINES = Fault(4, "odd lines in training and evaluation files", 100, 5000)
ODD_TOOLS = Fault(4, "odd tool schemas in chats", 60, 2000)
GUIDED = Fault(4, "generated schemas that guide an answer, which is valid", 75, 500)
FOREIGN = Fault(5, "requests of foreign hosts and pages", 10, 10)
SECRETS = Fault(6, "keys looked for in everything that a run leaves behind", 5, 5)
LOOPBACK_ALONE = Fault(6, "the whole run in a network namespace that reports every question for a host's name", 1, 1)
BAD_NETWORK = Fault(7, "uploads and reads of the helpers through a proxy that refuses, resets, cuts, stalls", 12, 240)
LONG_USE = Fault(8, "the tutorial's notebooks again on the same state", 0, 10)

FAULTS = [value for value in vars().copy().values() if isinstance(value, Fault)]


def save(path: Path) -> None:
    """Merge this session's counts into a record."""
    record = json.loads(path.read_text()) if path.exists() else {"faults": {}}
    day = datetime.now(UTC).date().isoformat()
    for name, tried in (+_tried).items():
        record["faults"][name] = {"tried": tried, "survived": _survived[name], "recorded": day}
    record["machine"] = f"{os.cpu_count()} CPUs, {platform.system()} {platform.machine()}"
    record["faults"] = {fault.name: record["faults"][fault.name] for fault in FAULTS if fault.name in record["faults"]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")


def section() -> str:
    """The part of docs/compatibility.md about promises, from the committed record."""
    record = json.loads(RECORD.read_text())
    promises = "\n".join(f"{number}. {text}" for number, text in PROMISES.items())
    rows = [_row(fault, record["faults"].get(fault.name)) for fault in FAULTS]
    return (
        "## Promises, and the faults that test them\n\n"
        f"{promises}\n\n"
        "Tests try the faults below, in `make torture` at full size (`make torture SHARE=0.1` at a tenth), many "
        "of them in `make test` at a size for CI. `make torture` writes `results/torture.json`, from which this table "
        "is made. A fault that is recorded as *not yet* has a test whose result is not recorded: take the promise as "
        "an aim there. Where fewer were tried than the full size, the full size has not been run.\n\n"
        "| promise | fault | tried | survived | full size | recorded |\n|--:|---|--:|--:|--:|---|\n"
        + "\n".join(rows)
        + f"\n\nRecorded on {record['machine']}.\n"
    )


def _row(fault: Fault, found: dict | None) -> str:
    found = found or {"tried": 0, "survived": 0, "recorded": "not yet"}
    counts = f"{found['tried']:,} | {found['survived']:,} | {fault.full:,} | {found['recorded']}"
    return f"| {fault.promise} | {fault.name} | {counts} |"
