"""Loads the guardrails library, and with it the modules of this package that are built on it.

The import takes three seconds, so it is not done when the server starts, and only ever by the guard's thread: two
threads that import one package at the same time can each see it half made.
"""

import importlib
import sys

BUILT_ON_IT = ("local_nemo.guard.models", "local_nemo.guard.rails")


def load() -> None:
    """Import the library, once. A failure is raised as it was, and the next call tries again from the beginning.

    Python keeps the submodules of a package whose import failed; importing it again over them would end in another
    error that hides the first.
    """
    try:
        for name in BUILT_ON_IT:
            importlib.import_module(name)
    except BaseException:
        for name in list(sys.modules):
            if name in BUILT_ON_IT or name.partition(".")[0] == "nemoguardrails":
                del sys.modules[name]
        raise
