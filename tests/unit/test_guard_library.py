"""The guardrails library is loaded once, by one thread, and a failed import neither hides its reason nor stays."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STORY = """
import sys, threading
from pathlib import Path
from local_nemo.guard import Guard
from local_nemo.lm.encoder import Encoder
from local_nemo.settings import Settings
from local_nemo.store.database import open_database
from local_nemo.store.entities import Entities
from tests.guard_engine import SAFETY, SAYS_SAFE, ScriptedEngine, data

importers, failures = set(), ["at the start", "at the first check"]

class Watcher:
    def find_spec(self, name, path, target=None):
        if name in ("nemoguardrails", "local_nemo.guard.models", "local_nemo.guard.rails"):
            importers.add(threading.current_thread().name)
        if name == "nemoguardrails.rails" and failures:
            raise OSError(f"too many open files {failures.pop(0)}")

sys.meta_path.insert(0, Watcher())
state = Path(sys.argv[1])
settings, entities = Settings(state=state, cache=state), Entities(open_database(state / "nemo.db"))
guard = Guard(settings, entities, ScriptedEngine(**{SAFETY: SAYS_SAFE}), Encoder(state))
guard._safety.start = lambda engine: None
guard.start()
for _ in range(2):
    result = guard.check(guard.read_config(data()), [{"role": "user", "content": "Hi"}], model="main")
    print(result.outcome.name, result.reason, flush=True)
print(*importers)
guard.stop()
"""


def test_an_import_that_failed_says_why_and_is_tried_again_by_the_next_check(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", STORY, tmp_path], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    first, second, importers = done.stdout.splitlines()
    assert first.startswith("UNREADABLE") and first.endswith("OSError: too many open files at the first check")
    assert second.strip() == "ALLOWED"
    assert importers == "guard"
    assert "too many open files at the start" in done.stderr
