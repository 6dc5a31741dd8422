"""One conversion as notebook 1 does it, in a process of its own: it imports `helpers.data` and nothing heavier.

python -m benchmarks.convert_rows rows.jsonl out
"""

import json
import resource
import sys
import time

from helpers import data

BYTES_PER_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


def main(file: str, out: str) -> dict:
    """Load, prepare, write; the seconds, the rows that were kept and the peak memory."""
    started = time.monotonic()
    prepared = data.prepare(data.load_rows(file), seed=1)
    data.write(prepared, out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * BYTES_PER_UNIT / 2**20
    return {
        "seconds": round(time.monotonic() - started, 2),
        "kept": prepared.counts["rows"],
        "peak_rss_mb": round(peak),
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:3])))
